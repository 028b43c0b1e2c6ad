"""Fetch a period into the archive; killed, throttled or interrupted, the next run goes on."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import flow
from prefect.artifacts import create_table_artifact

from flows.console.acquisition_progress import read_progress
from flows.console.acquisition_table import showing, summary_line
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.settings.backfill import BackfillSettings, load_backfill
from flows.stages.cds_secret import use_secret
from flows.stages.stage import stage
from pipelines.archive.ingest import ingest
from pipelines.archive.reconcile import reconcile
from pipelines.archive.state import ArchiveState
from pipelines.sources.cds import Cds

__all__ = ["backfill"]

_log = logging.getLogger("flows.backfill")


@flow(name="backfill", flow_run_name=run_name, validate_parameters=False)
def backfill(overrides: list[str]) -> str:
    """Bring every month of a period, verified, into the archive.

    Args:
        overrides: Hydra overrides, as `["data=era5_cropped", "period=2017-01/2023-12"]`.

    Returns:
        Name of the archive's newest snapshot.

    Raises:
        DataError: if a setting is wrong, or a month cannot be had; the others are fetched
            first.
    """
    settings = load_backfill(overrides)
    use_secret(settings.prefect_secret)
    state = bring_in(settings)
    if settings.reconcile:
        state = replace_preliminary(settings)
    _log.info("archive %s, snapshot %s: %d months", state.path, state.snapshot_id,
              len(state.months))  # fmt: skip
    return state.snapshot_id


@stage("bring in months")
def bring_in(settings: BackfillSettings) -> ArchiveState:
    """Fetch what the archive lacks, and show how far it is."""
    with _watched(settings):
        return ingest(
            settings.source,
            period=settings.period,
            fields=settings.fields,
            grid=settings.grid,
            raw_folder=settings.raw_folder,
            step_hours=settings.step_hours,
            path=settings.archive,
            replace=settings.replace,
            accept=settings.accept,
        )


@stage("replace preliminary months")
def replace_preliminary(settings: BackfillSettings) -> ArchiveState:
    """Fetch months with preliminary hours again."""
    with _watched(settings):
        return reconcile(
            settings.source,
            fields=settings.fields,
            grid=settings.grid,
            raw_folder=settings.raw_folder,
            step_hours=settings.step_hours,
            path=settings.archive,
            received_after=settings.received_after,
            accept=settings.accept,
        )


@contextmanager
def _watched(settings: BackfillSettings) -> Iterator[None]:
    """Show how far the fetching is while the block runs, and tell at its end how it went."""
    source = settings.source
    if not isinstance(source, Cds):
        yield
        return
    requests = settings.requests()  # what is brought in meanwhile was asked for like that
    try:
        with showing(lambda: read_progress(source, requests, settings.raw_folder)):
            yield
    finally:
        _tell_waiting_times(source, settings)


def _tell_waiting_times(source: Cds, settings: BackfillSettings) -> None:
    """Log what the waiting was like, and keep it as an artifact of the run."""
    progress = read_progress(source, settings.requests(), settings.raw_folder)
    _log.info("%s", summary_line(progress))
    create_table_artifact(
        key="backfill-waiting-times",
        table=[progress.waiting.as_dict()],
        description="Durations of the requests to the Climate Data Store, in seconds.",
    )


if __name__ == "__main__":
    run_from_console(backfill, sys.argv[1:])
