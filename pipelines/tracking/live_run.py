"""A run in MLflow while it trains: there before the first epoch, with curves that grow."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException

from pipelines.errors import DataError, TrainingError
from pipelines.tracking.find_runs import find_or_start_run, open_experiment, open_run
from pipelines.tracking.logged_values import log_curves
from pipelines.tracking.mlflow_quiet import mlflow_client
from pipelines.tracking.store_lock import one_at_a_time

__all__ = ["LiveRun", "live_curves"]

_LOOK_SECONDS = 5.0
_FINISHED = "FINISHED"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveRun:
    """Where a run is shown.

    Attributes:
        experiment_id: of MLflow.
        run_id: the run that a model is registered from later.
        training_id: its child, with the curves.
    """

    experiment_id: str
    run_id: str
    training_id: str

    def page(self, server: str) -> str:
        """Give the address of the curves' page on a tracking server."""
        run = f"experiments/{self.experiment_id}/runs/{self.training_id}"
        return f"{server.rstrip('/')}/#/{run}"


@contextmanager
def live_curves(
    folder: Path,
    *,
    network: str,
    tracking_uri: str,
    experiment: str,
    fingerprint: str,
    name: str | None = None,
    seconds: float = _LOOK_SECONDS,
) -> Iterator[LiveRun]:
    """Show a training in MLflow while the block runs; its run goes on when the block is run again.

    Until it has scores: what is trained again after that makes a run of its own.

    Runs are found by fingerprint and stage, so that `tracking.track_run` finishes the same ones.
    The training process writes `metrics.csv` and knows no MLflow; a thread here follows the file.
    A store that does not answer in between stops no training: all curves are logged at the end.

    Args:
        folder: of the training.
        network: its name in the run folder.
        tracking_uri: of MLflow.
        experiment: name of MLflow's experiment.
        fingerprint: of the run.
        name: of the run, by default the experiment's.
        seconds: between two looks at the file.
    """
    run = _start(
        network,
        tracking_uri=tracking_uri,
        experiment=experiment,
        fingerprint=fingerprint,
        name=name,
    )
    curves, done = folder / "metrics.csv", threading.Event()

    def follow() -> None:
        seen = None
        while True:
            last = done.wait(seconds)
            found = curves.stat().st_mtime_ns if curves.is_file() else None
            if found != seen and _try_to_log(run, curves, tracking_uri=tracking_uri):
                seen = found
            if last:
                return

    thread = threading.Thread(target=follow, name=f"curves of {network}", daemon=True)
    thread.start()
    status = "KILLED"
    try:
        yield run
        status = _FINISHED
    except (DataError, TrainingError):
        status = "FAILED"
        raise
    finally:
        done.set()
        thread.join()
        _try_to_end(run, status, tracking_uri=tracking_uri)


@one_at_a_time
def _start(
    network: str, *, tracking_uri: str, experiment: str, fingerprint: str, name: str | None
) -> LiveRun:
    """Find or start the run and its child; those that were ended before their time go on."""
    client = mlflow_client(tracking_uri)
    experiment_id = open_experiment(tracking_uri, experiment)
    parent = open_run(client, experiment_id, fingerprint=fingerprint, stage=experiment, name=name)
    child = find_or_start_run(
        client, experiment_id, fingerprint=fingerprint, stage=f"train {network}", parent=parent
    )
    for run_id in (parent, child):
        if client.get_run(run_id).info.status not in ("RUNNING", _FINISHED):
            client.update_run(run_id, status="RUNNING")
    return LiveRun(experiment_id, parent, child)


def _try_to_log(run: LiveRun, curves: Path, *, tracking_uri: str) -> bool:
    """Log all points, those that are there once more; tell whether it could be done."""
    try:
        _log(run, curves, tracking_uri=tracking_uri)
    except MlflowException as error:
        logger.warning("curves not shown yet: %s", str(error).splitlines()[0])
        return False
    return True


@one_at_a_time
def _log(run: LiveRun, curves: Path, *, tracking_uri: str) -> None:
    client = mlflow_client(tracking_uri)
    if client.get_run(run.training_id).info.status != _FINISHED:
        log_curves(client, run.training_id, curves)


def _try_to_end(run: LiveRun, status: str, *, tracking_uri: str) -> None:
    try:
        _end(run, status, tracking_uri=tracking_uri)
    except MlflowException as error:
        logger.warning("run not ended in MLflow: %s", str(error).splitlines()[0])


@one_at_a_time
def _end(run: LiveRun, status: str, *, tracking_uri: str) -> None:
    """End the child; the parent goes on after a training that succeeded."""
    client = mlflow_client(tracking_uri)
    for run_id in (run.training_id,) if status == _FINISHED else (run.training_id, run.run_id):
        if client.get_run(run_id).info.status != _FINISHED:
            client.set_terminated(run_id, status)
