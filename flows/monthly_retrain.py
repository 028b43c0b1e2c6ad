"""New months into the archive, a challenger, a decision; nothing where there is nothing to do."""

import sys
from datetime import UTC, datetime

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.monthly.events import announce
from flows.monthly.pages import month_markdown
from flows.monthly.retrain_month import retrain_month
from flows.settings.early_checks import check_machine
from flows.settings.monthly import load_monthly
from flows.stages.cds_secret import use_secret
from pipelines.retraining.outcome import Outcome

__all__ = ["monthly_retrain"]


@flow(name="monthly-retrain", flow_run_name=run_name, validate_parameters=False)
def monthly_retrain(overrides: list[str]) -> Outcome:
    """Bring archive and champion up to the newest complete month.

    Run again for the same month, it changes nothing; killed, it goes on where it stopped.

    Args:
        overrides: Hydra overrides, as `["experiment=mumbai", "now=2020-03-07"]`.

    Returns:
        What came of the month.

    Raises:
        DataError: if a setting or a month's data are not what they must be.
        TrainingError: if the training ends without a model.
    """
    settings = load_monthly(overrides)
    check_machine(settings.experiment)
    use_secret(settings.experiment.prefect_secret)
    # The only place where the clock is read; everything below is told the moment.
    outcome = retrain_month(settings, settings.now or datetime.now(UTC))
    create_markdown_artifact(
        key=f"monthly-retrain-{settings.experiment.name}".replace("_", "-").lower(),
        markdown=month_markdown(settings, outcome),
        description=f"What came of {outcome.month}: {outcome.action}.",
    )
    announce(settings.experiment.registered_model, outcome)
    _tell(outcome)
    return outcome


def _tell(outcome: Outcome) -> None:
    """Print what came of the month."""
    console = result_console()
    if outcome.action == "nothing":
        console.print(f"{outcome.month}: nothing to do: {'; '.join(outcome.reasons)}")
        return
    console.print(f"{outcome.month}: version {outcome.version} {outcome.action}")
    for reason in outcome.reasons:
        console.print(f"  - {reason}", markup=False)
    console.print(f"Champion: version {outcome.champion}")
    console.print(f"Page: {outcome.report}", soft_wrap=True)


if __name__ == "__main__":
    run_from_console(monthly_retrain, sys.argv[1:])
