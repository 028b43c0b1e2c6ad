"""Settings, curves and scores as MLflow's parameters and metrics.

Names of metrics: `<split>/<metric>/<weighting>/<channel>` with the lead time [h] as step; the
same with `/all_leads` for all lead times pooled; `<split>/normalized_rmse`. Units are those of
the channel. Training curves keep their names, with the epoch as step.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipelines.fingerprint import to_plain
from pipelines.tracking.mlflow_quiet import mlflow
from pipelines.training.curves import read_curves

__all__ = ["flatten", "log_curves", "log_metrics", "log_scores", "log_settings"]

# MLflow's own limits: characters of a parameter's value and name, items a request.
_VALUE_LENGTH, _KEY_LENGTH, _BATCH = 6000, 250, 100


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
    log_metrics(client, run_id, points)


def log_scores(
    client: "mlflow.MlflowClient", run_id: str, scores: xr.Dataset, *, model: str
) -> None:
    """Log one model's scores; values that are not finite are left out."""
    log_metrics(client, run_id, _score_points(scores.sel(model=model)))


def _score_points(scores: xr.Dataset) -> Iterator[tuple[str, float, int]]:
    split = scores.attrs["split"]
    yield f"{split}/normalized_rmse", float(scores["normalized_rmse"]), 0
    for (metric, weighting, channel), pooled in scores["pooled"].to_series().items():
        name = f"{split}/{metric}/{weighting}/{channel}"
        yield f"{name}/all_leads", float(pooled), 0
        curve = scores["score"].sel(metric=metric, weighting=weighting, channel=channel)
        for lead, value in zip(curve["lead_time"].values, curve.values, strict=True):
            yield name, float(value), int(lead)


def log_metrics(
    client: "mlflow.MlflowClient", run_id: str, points: Iterable[tuple[str, float, int]]
) -> None:
    """Log metrics: name, value and step each; values that are not finite are left out."""
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
