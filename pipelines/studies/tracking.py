"""A study in MLflow: one run with its settings, numbers and files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.paper.cells import Cell
from pipelines.tracking.find_runs import find_or_start_run, open_experiment
from pipelines.tracking.logged_values import log_settings
from pipelines.tracking.mlflow_quiet import mlflow, mlflow_client
from pipelines.tracking.store_lock import one_at_a_time

__all__ = ["track_study"]

_BATCH = 500
_FORBIDDEN = re.compile(r"[^\w\-. /]")


@one_at_a_time
def track_study(
    files: Sequence[Path],
    *,
    tracking_uri: str,
    experiment: str,
    fingerprint: str,
    cells: Sequence[Cell],
    settings: Mapping[str, Any],
) -> str:
    """Log a finished study, once; give the run's id.

    Metrics are named `<protocol>/<row>/<variable>/<metric>`.
    """
    client = mlflow_client(tracking_uri)
    experiment_id = open_experiment(tracking_uri, experiment)
    run_id = find_or_start_run(client, experiment_id, fingerprint=fingerprint, stage="study")
    if client.get_run(run_id).info.status == "FINISHED":
        return run_id
    log_settings(client, run_id, settings)
    start = client.get_run(run_id).info.start_time
    metrics = [
        mlflow.entities.Metric(_FORBIDDEN.sub("_", name.replace("+", "p")), value, start, 0)
        for cell in cells
        for protocol, value in (("clean", cell.clean), ("paper", cell.paper))
        for name in ["/".join(filter(None, (protocol, cell.row, cell.variable, cell.metric)))]
        if value is not None and abs(value) < float("inf")
    ]
    for first in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + _BATCH])
    for path in files:
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id)
    return run_id
