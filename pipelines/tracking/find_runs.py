"""Find runs in MLflow by what they follow from, or start them.

A run has the fingerprint and the stage in its tags; one with scores, too, what these were
made from.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from pipelines.errors import DataError
from pipelines.tracking.mlflow_quiet import mlflow, mlflow_client

__all__ = ["SCORES_TAG", "find_or_start_run", "open_experiment", "open_run", "run_of_scores"]

SCORES_TAG = "met2net.scores"
"""Tag of what a run's scores were made from."""

_FINGERPRINT, _STAGE, _PARENT = "met2net.fingerprint", "met2net.stage", "mlflow.parentRunId"
_SQLITE = "sqlite:///"


def open_experiment(tracking_uri: str, name: str) -> str:
    """Give the id of an experiment, made where it is not there yet.

    With SQLite, artifacts lie in the folder `artifacts` beside the database; elsewhere the
    server decides.

    Raises:
        DataError: if the experiment was deleted in MLflow.
    """
    client = mlflow_client(tracking_uri)
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=_artifacts(tracking_uri, name))
    if found.lifecycle_stage != "active":
        raise DataError(
            f"experiment {name!r} is {found.lifecycle_stage} in MLflow; expected active"
        )
    return str(found.experiment_id)


def _artifacts(tracking_uri: str, name: str) -> str | None:
    if not tracking_uri.startswith(_SQLITE):
        return None
    folder = Path(tracking_uri.removeprefix(_SQLITE)).resolve().parent / "artifacts"
    return (folder / re.sub(r"[^\w.-]", "_", name)).as_uri()


def find_or_start_run(
    client: "mlflow.MlflowClient",
    experiment_id: str,
    *,
    fingerprint: str,
    stage: str,
    parent: str | None = None,
    name: str | None = None,
) -> str:
    """Give the run of this fingerprint, stage and parent, started where there is none.

    The same experiment run again finds its runs and makes no second ones.
    """
    if found := _runs(client, experiment_id, fingerprint, stage, parent):
        return str(found[0].info.run_id)
    return _start_run(client, experiment_id, fingerprint, stage, parent, name)


def open_run(
    client: "mlflow.MlflowClient",
    experiment_id: str,
    *,
    fingerprint: str,
    stage: str,
    name: str | None = None,
) -> str:
    """Give the run of this fingerprint and stage that has no scores yet, or start one.

    One that was finished stays as it is: what is trained again makes a run of its own.
    """
    for run in _runs(client, experiment_id, fingerprint, stage, None):
        if SCORES_TAG not in run.data.tags and run.info.status != "FINISHED":
            return str(run.info.run_id)
    return _start_run(client, experiment_id, fingerprint, stage, None, name)


def run_of_scores(
    client: "mlflow.MlflowClient",
    experiment_id: str,
    *,
    fingerprint: str,
    stage: str,
    scores: str,
    name: str | None,
) -> str:
    """Give the run of just these scores, else the one that has none yet, or start one."""
    runs = _runs(client, experiment_id, fingerprint, stage, None)
    same = [run for run in runs if run.data.tags.get(SCORES_TAG) == scores]
    if not same:
        return open_run(client, experiment_id, fingerprint=fingerprint, stage=stage, name=name)
    for run in runs:  # of a training that was repeated to the same weights
        if SCORES_TAG not in run.data.tags:
            client.set_terminated(run.info.run_id)
    return str(same[0].info.run_id)


def _runs(
    client: "mlflow.MlflowClient",
    experiment_id: str,
    fingerprint: str,
    stage: str,
    parent: str | None,
) -> Sequence["mlflow.entities.Run"]:
    """Find runs, oldest first."""
    tags = {_FINGERPRINT: fingerprint, _STAGE: stage}
    if parent is not None:
        tags[_PARENT] = parent
    wanted = " AND ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found: Sequence[mlflow.entities.Run] = client.search_runs(
        [experiment_id], wanted, order_by=["attributes.start_time ASC"]
    )
    return found


def _start_run(
    client: "mlflow.MlflowClient",
    experiment_id: str,
    fingerprint: str,
    stage: str,
    parent: str | None,
    name: str | None,
) -> str:
    tags = {_FINGERPRINT: fingerprint, _STAGE: stage}
    if parent is not None:
        tags[_PARENT] = parent
    return str(client.create_run(experiment_id, tags=tags, run_name=name or stage).info.run_id)
