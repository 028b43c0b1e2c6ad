"""The monthly retraining over past months, as if they were arriving: a history of champions."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from rich.table import Table

from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.monthly.pages import write_history
from flows.monthly.retrain_month import retrain_month
from flows.settings.early_checks import check_machine
from flows.settings.monthly import MonthlySettings, load_monthly
from flows.stages.cds_secret import use_secret
from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.registry.alias_change import AliasChange
from pipelines.registry.aliases import alias_history
from pipelines.report.operations import Section
from pipelines.retraining.outcome import COLUMNS, Outcome, read_outcome

__all__ = ["replay"]

_log = logging.getLogger("flows.replay")


@flow(name="replay", flow_run_name=run_name, validate_parameters=False)
def replay(overrides: list[str]) -> list[Outcome]:
    """Retrain month after month; the clock stands where each month has just arrived.

    A month that the archive refuses is noted, and the next one is tried. Run again, it finds
    the months that are done.

    Args:
        overrides: those of `monthly_retrain`, and `replay.months`.

    Returns:
        What came of each month.

    Raises:
        DataError: if a setting is wrong.
        TrainingError: if a training ends without a model.
    """
    settings = load_monthly(overrides, config="replay")
    check_machine(settings.experiment)
    use_secret(settings.experiment.prefect_secret)
    outcomes = [_replay_month(settings, month) for month in _months(settings)]
    experiment = settings.experiment
    changes = alias_history(experiment.registered_model, tracking_uri=experiment.tracking_uri)
    out = experiment.workspace / "monthly" / experiment.name
    page = write_history(settings, outcomes, changes=[_section(changes)], out=out)
    create_markdown_artifact(
        key=f"replay-{experiment.name}".replace("_", "-").lower(),
        markdown=(out / "history.md").read_text(encoding="utf-8"),
        description="History of a replay.",
    )
    _tell(outcomes, page)
    return outcomes


def _months(settings: MonthlySettings) -> list[Month]:
    """Give the months to go through."""
    if settings.months is not None:
        return settings.months.months()
    months = settings.period.months()[settings.rolling.fewest_months - 1 :]
    if not months:
        raise DataError(
            f"the period {settings.period} has fewer than the "
            f"{settings.rolling.fewest_months} months that the splits need"
        )
    return months


def _replay_month(settings: MonthlySettings, month: Month) -> Outcome:
    """Retrain at the moment at which a month has arrived."""
    now = settings.arrival.available_from(month)
    try:
        outcome = retrain_month(settings, now)
    except DataError as error:
        _log.warning("%s: refused: %s", month, error)
        reasons = (str(error),)
        return Outcome(str(month), "refused", reasons, now.isoformat())
    done = settings.month_folder(str(month)) / "outcome.json"
    if outcome.action == "nothing" and done.is_file():
        outcome = read_outcome(done)
    _log.info("%s: %s: %s", month, outcome.action, "; ".join(outcome.reasons))
    return outcome


def _section(changes: Sequence[AliasChange]) -> Section:
    """Tabulate every change of an alias."""
    rows = tuple(
        (c.time[:16].replace("T", " "), c.alias, c.version or "–", c.previous or "–", c.reason)
        for c in changes
    )
    header = ("time (UTC)", "alias", "version", "before", "reason")
    return Section("Changes of aliases", (), header, rows)


def _tell(outcomes: Sequence[Outcome], page: Path) -> None:
    """Print the history."""
    console = result_console()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in COLUMNS[:-1]:
        table.add_column(column)
    for outcome in outcomes:
        table.add_row(*outcome.row()[:-1])
    console.print(table)
    for outcome in outcomes:
        console.print(f"{outcome.month} {outcome.action}: {'; '.join(outcome.reasons)}",
                      markup=False)  # fmt: skip
    console.print(f"History: {page}", soft_wrap=True)


if __name__ == "__main__":
    run_from_console(replay, sys.argv[1:])
