"""MLflow's server with its artifacts on object storage, as `docs/deployment.md` sets it up."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import numpy as np
import psutil
import pytest

from pipelines.forecasting.model import find_model
from pipelines.registry.prune import PruneRule, prune
from pipelines.tracking.mlflow_quiet import mlflow, tracking_at
from tests.pipelines.registry.served_model import end, free_port, wait_for
from tests.pipelines.registry.test_register import (
    SHAPE,
    make_checkpoint,
    make_inputs,
    make_run_folder,
    make_tags,
    register_demo,
    save_checkpoint,
)
from tests.s3_server import BUCKET, s3_server

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def endpoint():
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def store(endpoint: str, tmp_path_factory: pytest.TempPathFactory):
    """The address of an MLflow server that keeps artifacts in a bucket."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    log = folder / "mlflow.log"
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/mlflow",
        "AWS_ENDPOINT_URL": endpoint,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }  # fmt: skip
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
               "--workers", "1"]  # fmt: skip
    with log.open("wb") as output:
        process = psutil.Popen(
            command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def keys(endpoint: str) -> list[str]:
    client = boto3.client("s3", endpoint_url=endpoint)
    found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    client.close()
    return [entry["Key"] for entry in found]


def test_models_are_registered_loaded_and_pruned_through_the_server(
    store: str, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_folder = make_run_folder(tmp_path / "demo", shape=SHAPE)
    save_checkpoint(run_folder / "models" / "met2net" / "model.safetensors", make_checkpoint())
    assert register_demo(store, run_folder, "far") == "1"
    assert register_demo(store, run_folder, "far", tags=make_tags("e" * 16)) == "2"
    assert any(key.endswith("model.safetensors") for key in keys(endpoint))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)  # a client needs no credentials of its own
    with tracking_at(store):
        served = mlflow.pyfunc.load_model("models:/far@champion").predict(make_inputs())
    model = find_model("models:/far@champion", tracking_uri=store, folder=tmp_path / "models")
    assert model.checkpoint.is_file() and np.isfinite(served).all()
    before = len(keys(endpoint))
    later = datetime.now(UTC) + timedelta(days=1)
    pruned = prune("far", PruneRule(keep_newest=0, keep_days=0), tracking_uri=store, now=later)
    # The challenger has an alias and stays; without it, its weights leave the bucket.
    assert pruned == []
    mlflow.MlflowClient(tracking_uri=store).delete_registered_model_alias("far", "challenger")
    pruned = prune("far", PruneRule(keep_newest=0, keep_days=0), tracking_uri=store, now=later)
    assert [version.version for version in pruned] == ["2"]
    assert len(keys(endpoint)) < before
