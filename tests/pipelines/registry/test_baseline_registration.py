"""Every network of the catalogue: registered, loaded as pyfunc, the same forecast."""

from pathlib import Path

import numpy as np
import pytest
import torch

from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from met2net.forecast import Forecaster
from met2net.models.build import build
from pipelines.registry.register import register
from pipelines.tracking.find_runs import find_or_start_run, open_experiment
from pipelines.tracking.mlflow_quiet import mlflow
from tests.met2net.models.baseline_catalogue import BASELINES, tiny_settings
from tests.met2net.models.model_builders import randomize
from tests.pipelines.synthetic_run import axes, make_run_folder

pytestmark = pytest.mark.slow

SHAPE = (8, 10)
VARIABLES = {"t2m": ["t2m"], "uv10": ["u10", "v10"]}


@pytest.fixture(scope="module", autouse=True)
def _no_telemetry():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for all networks: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "demo"
    return make_run_folder(folder, networks=tuple(BASELINES), shape=SHAPE)


def make_checkpoint(name: str) -> Checkpoint:
    settings = tiny_settings(name, variables=VARIABLES, num_targets=4)
    torch.manual_seed(0)
    latitude, longitude = axes(*SHAPE)
    return Checkpoint(
        network=randomize(build(settings)),
        settings=settings,
        normalizer=Normalizer(("t2m", "u10", "v10"), (285.0, 0.5, -0.3), (14.0, 5.0, 4.5)),
        grid=Grid(tuple(latitude), tuple(longitude)),
        window=WindowSpec((-1, 0), (1, 2, 3, 6)),
        variables={key: tuple(labels) for key, labels in VARIABLES.items()},
        units=("K", "m s-1", "m s-1"),
        provenance={"archive_snapshot": "SNAPSHOT1"},
    )


@pytest.mark.parametrize("name", BASELINES)
def test_it_is_registered_and_loaded_as_pyfunc(name: str, store: str, run_folder: Path) -> None:
    path = run_folder / "models" / name / "model.safetensors"
    save_checkpoint(path, make_checkpoint(name))
    noise = np.random.default_rng(0).normal(size=(2, 2, 3, *SHAPE))
    mean, std = np.array([285.0, 0.5, -0.3]), np.array([14.0, 5.0, 4.5])
    inputs = (mean[:, None, None] + std[:, None, None] * noise).astype(np.float32)
    client = mlflow.MlflowClient(tracking_uri=store)
    experiment = open_experiment(store, "baselines")
    version = register(
        path,
        name=name,
        tracking_uri=store,
        run_id=find_or_start_run(client, experiment, fingerprint=name, stage="parent"),
        example=inputs,
        scores=run_folder / "scores.nc",
        figures=[],
        tags={
            "archive_snapshot": "SNAPSHOT1", "git_commit": "abc123",
            "settings_fingerprint": name, "protocol": "clean",
        },
    )  # fmt: skip
    source = client.get_model_version_download_uri(name, version).removeprefix("file://")
    forecast = mlflow.pyfunc.load_model(source).predict(inputs)
    assert forecast.shape == (2, 4, 3, *SHAPE)
    expected = Forecaster(load_checkpoint(path)).predict(inputs)
    np.testing.assert_allclose(forecast, expected, rtol=1e-5, atol=5e-5)
