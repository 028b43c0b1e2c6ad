"""Runs in MLflow: one parent a run folder, with a child a stage and model.

Names of metrics: `<split>/<metric>/<weighting>/<channel>` with the lead time [h] as step; the
same with `/all_leads` for all lead times pooled; `<split>/normalized_rmse`. Units are those of
the channel. Training curves keep their names, with the epoch as step.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipelines.errors import DataError
from pipelines.evaluation.summary import networks_of, open_scores
from pipelines.fingerprint import to_plain
from pipelines.run_folder import RunFolder
from pipelines.tracking.mlflow_quiet import mlflow, mlflow_client
from pipelines.tracking.store_lock import one_at_a_time
from pipelines.training.curves import read_curves

__all__ = [
    "find_or_start_run",
    "flatten",
    "log_curves",
    "log_files",
    "log_scores",
    "log_settings",
    "open_run",
    "open_experiment",
    "track_run",
]

_FINGERPRINT, _STAGE, _PARENT = "met2net.fingerprint", "met2net.stage", "mlflow.parentRunId"
_SCORES, _REPORT = "met2net.scores", "met2net.report"  # what these were made from
# MLflow's own limits: characters of a parameter's value and name, items a request.
_VALUE_LENGTH, _KEY_LENGTH, _BATCH = 6000, 250, 100
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
        if _SCORES not in run.data.tags and run.info.status != "FINISHED":
            return str(run.info.run_id)
    return _start_run(client, experiment_id, fingerprint, stage, None, name)


def _run_of_scores(
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
    same = [run for run in runs if run.data.tags.get(_SCORES) == scores]
    if not same:
        return open_run(client, experiment_id, fingerprint=fingerprint, stage=stage, name=name)
    for run in runs:  # of a training that was repeated to the same weights
        if _SCORES not in run.data.tags:
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


def flatten(settings: Any, prefix: str = "") -> dict[str, str]:
    """Flatten settings to `a.b.c` -> text; lists of plain values stay together."""
    plain = to_plain(settings)
    if isinstance(plain, Mapping) and plain:
        parts = [flatten(value, f"{prefix}.{key}") for key, value in plain.items()]
        return {key: value for part in parts for key, value in part.items()}
    if isinstance(plain, list) and any(isinstance(item, Mapping | list) for item in plain):
        parts = [flatten(value, f"{prefix}.{i}") for i, value in enumerate(plain)]
        return {key: value for part in parts for key, value in part.items()}
    return {prefix.removeprefix("."): str(plain)}


def log_settings(client: "mlflow.MlflowClient", run_id: str, settings: Mapping[str, Any]) -> None:
    """Log settings as parameters, `:` for characters that MLflow forbids, long texts cut."""
    # MLflow refuses another value: after a crash, those that are there stay.
    logged = client.get_run(run_id).data.params
    params = [
        mlflow.entities.Param(name, _cut(value))
        for key, value in flatten(settings).items()
        if (name := re.sub(r"[^\w\-. :/]", ":", key)[:_KEY_LENGTH]) not in logged
    ]
    for batch in _batches(params):
        client.log_batch(run_id, params=batch)


def _cut(value: str) -> str:
    return value if len(value) <= _VALUE_LENGTH else value[: _VALUE_LENGTH - 4] + " ..."


def log_curves(client: "mlflow.MlflowClient", run_id: str, path: Path) -> None:
    """Log the epoch curves of a `metrics.csv`."""
    points = (
        (column, value, epoch)
        for column, curve in read_curves(path).items()
        for epoch, value in curve
    )
    _log_metrics(client, run_id, points)


def log_scores(
    client: "mlflow.MlflowClient", run_id: str, scores: xr.Dataset, *, model: str
) -> None:
    """Log one model's scores; values that are not finite are left out."""
    _log_metrics(client, run_id, _score_points(scores.sel(model=model)))


def _score_points(scores: xr.Dataset) -> Iterator[tuple[str, float, int]]:
    split = scores.attrs["split"]
    yield f"{split}/normalized_rmse", float(scores["normalized_rmse"]), 0
    for (metric, weighting, channel), pooled in scores["pooled"].to_series().items():
        name = f"{split}/{metric}/{weighting}/{channel}"
        yield f"{name}/all_leads", float(pooled), 0
        curve = scores["score"].sel(metric=metric, weighting=weighting, channel=channel)
        for lead, value in zip(curve["lead_time"].values, curve.values, strict=True):
            yield name, float(value), int(lead)


def _log_metrics(
    client: "mlflow.MlflowClient", run_id: str, points: Iterator[tuple[str, float, int]]
) -> None:
    # The run's start as time of every point: logged again after a crash, points are the same.
    timestamp = client.get_run(run_id).info.start_time
    metrics = [
        mlflow.entities.Metric(name, value, timestamp, step)
        for name, value, step in points
        if np.isfinite(value)
    ]
    for batch in _batches(metrics, size=1000):
        client.log_batch(run_id, metrics=batch)


def _batches(items: Sequence[Any], size: int = _BATCH) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@one_at_a_time
def track_run(
    run: RunFolder,
    *,
    tracking_uri: str,
    experiment: str,
    fingerprint: str,
    settings: Mapping[str, Any],
    tags: Mapping[str, str],
    name: str | None = None,
) -> str:
    """Log a finished run folder; give the parent run's id.

    Children: `train <network>` with the epoch curves, `score <model>` with the scores (of
    baselines too), `analyze`. The parent has settings, tags, normalized RMSE of every model,
    figures, report and score files; it is called `name`, by default as the experiment. Called
    again with the same scores, it adds nothing to runs that are finished, but that a report
    which was written anew takes the older one's place. Other scores make another run.
    """
    client = mlflow_client(tracking_uri)
    experiment_id = open_experiment(tracking_uri, experiment)
    made_from = {_SCORES: run.made_from("scores") or "", _REPORT: run.made_from("report") or ""}
    parent = _run_of_scores(
        client, experiment_id, fingerprint=fingerprint, stage=experiment,
        scores=made_from[_SCORES], name=name,
    )  # fmt: skip

    def child(stage: str) -> str:
        return find_or_start_run(
            client, experiment_id, fingerprint=fingerprint, stage=stage, parent=parent
        )

    client.set_tag(parent, _SCORES, made_from[_SCORES])
    if _is_finished(client, parent):
        if client.get_run(parent).data.tags.get(_REPORT) != made_from[_REPORT]:
            _log_results(client, parent, run)
            if run.analysis.exists():
                _log_files(client, child("analyze"), [run.analysis])
            client.set_tag(parent, _REPORT, made_from[_REPORT])
        return parent
    scores = open_scores(run.scores)

    for network in networks_of(scores):
        curves = run.curves(network)
        if curves.exists():
            run_id = child(f"train {network}")
            log_curves(client, run_id, curves)
            client.set_terminated(run_id)
    for model in map(str, scores["model"].values):
        run_id = child(f"score {model}")
        log_scores(client, run_id, scores, model=model)
        client.set_terminated(run_id)
    if run.analysis.exists():
        run_id = child("analyze")
        _log_files(client, run_id, [run.analysis])
        client.set_terminated(run_id)
    for key, value in tags.items():
        client.set_tag(parent, key, value)
    log_settings(client, parent, settings)
    normalized = scores["normalized_rmse"].to_series()
    split = scores.attrs["split"]
    _log_metrics(
        client,
        parent,
        ((f"{split}/normalized_rmse/{k}", float(v), 0) for k, v in normalized.items()),
    )
    _log_results(client, parent, run)
    client.set_tag(parent, _REPORT, made_from[_REPORT])
    client.set_terminated(parent)
    return parent


def _log_results(client: "mlflow.MlflowClient", run_id: str, run: RunFolder) -> None:
    """Log the files of a run that people look at."""
    files = (run.config, run.scores, run.scores_json, run.examples, run.report)
    _log_files(client, run_id, [*files, *run.tracks])
    for folder in (run.figures, run.tables):
        if folder.is_dir():
            client.log_artifacts(run_id, str(folder), folder.name)


def log_files(run_id: str, paths: Sequence[Path], *, tracking_uri: str) -> None:
    """Log further files to a run; those that are not there are left out."""
    _log_files(mlflow_client(tracking_uri), run_id, paths)


def _is_finished(client: "mlflow.MlflowClient", run_id: str) -> bool:
    return bool(client.get_run(run_id).info.status == "FINISHED")


def _log_files(client: "mlflow.MlflowClient", run_id: str, paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            client.log_artifact(run_id, str(path))
