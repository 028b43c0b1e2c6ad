"""Build what settings ask for before anything is started, so that a wrong value is told at once."""

from collections.abc import Sequence

__all__ = ["check_before_run"]


def check_before_run(overrides: Sequence[str], *, config: str, is_study: bool) -> None:
    """Refuse values that only building finds wrong, as a network of no blocks.

    It takes seconds, for PyTorch is imported. A run without settings of the user's needs no check:
    it is the defaults', in another place at most. A study builds its parts when it runs.

    Args:
        overrides: of a flow.
        config: name of its settings under `configs/`.
        is_study: whether the experiment is a table or figure.

    Raises:
        DataError: naming the setting.
    """
    if is_study or all(text.startswith("workspace=") for text in overrides):
        return
    if config in ("full_experiment", "profile_training"):
        from flows.settings.config import load_experiment

        load_experiment(overrides, config=config)
    elif config in ("monthly_retrain", "replay"):
        from flows.settings.monthly import load_monthly

        load_monthly(overrides, config=config)
    elif config == "backfill":
        from flows.settings.backfill import load_backfill

        load_backfill(overrides)
    elif config == "forecast":
        from flows.settings.forecast import load_forecast

        load_forecast(overrides)
