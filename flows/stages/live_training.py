"""A training that MLflow shows while it runs, and the link to it on Prefect's page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.artifacts import create_link_artifact
from prefect.runtime import flow_run

from pipelines.tracking.live_run import LiveRun, live_curves

__all__ = ["mlflow_page", "shown_in_mlflow"]

_USUAL = "http://127.0.0.1:5000"  # where `make ui` and `make up` show the workspace's database


@contextmanager
def shown_in_mlflow(
    folder: Path,
    *,
    network: str,
    tracking_uri: str,
    workspace: Path,
    experiment: str,
    fingerprint: str,
    name: str | None = None,
) -> Iterator[None]:
    """Log a training's curves while the block runs, and link to them from Prefect's page.

    Args:
        folder: of the training.
        network: its name in the run folder.
        tracking_uri: of MLflow.
        workspace: where `make up` says on which address MLflow is.
        experiment: name of MLflow's experiment.
        fingerprint: of the run.
        name: of the run, by default the experiment's.
    """
    with live_curves(
        folder, network=network, tracking_uri=tracking_uri, experiment=experiment,
        fingerprint=fingerprint, name=name,
    ) as run:  # fmt: skip
        # Functions of stages are also called without Prefect; then there is no page.
        if flow_run.id is not None:
            server = mlflow_page(tracking_uri, workspace)
            _link(run, network=network, experiment=experiment, server=server)
        yield


def _link(run: LiveRun, *, network: str, experiment: str, server: str) -> None:
    """Put a link to the curves on the run's page."""
    create_link_artifact(
        link=run.page(server),
        link_text=f"{experiment}: curves of {network} in MLflow",
        key="mlflow-run",
        description=f"Curves of {network} while they grow; the model is registered from the run "
        f"above it, {run.run_id}.",
    )


def mlflow_page(tracking_uri: str, workspace: Path) -> str:
    """Give the address under which a browser finds MLflow."""
    if tracking_uri.startswith(("http://", "https://")):
        return tracking_uri
    service = workspace / "services" / "mlflow.json"
    if service.is_file():
        return str(json.loads(service.read_text(encoding="utf-8")).get("address", _USUAL))
    return _USUAL
