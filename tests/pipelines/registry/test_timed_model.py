"""A model that needs the init time: a linear forecast and fields known in advance go with it."""

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException

from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from met2net.forecast import Forecaster
from met2net.models.build import build
from met2net.training.references import set_any_references
from pipelines.errors import DataError
from pipelines.registry.register import register
from pipelines.tracking.find_runs import find_or_start_run, open_experiment
from pipelines.tracking.mlflow_quiet import mlflow
from tests.met2net.models.model_builders import randomize
from tests.pipelines.synthetic_run import axes, make_run_folder

SHAPE = (8, 10)
VARIABLES = {"t2m": ["t2m"], "uv10": ["u10", "v10"]}
WINDOW = WindowSpec((-1, 0), (1, 2, 3, 6))
TIMES = np.array(["2020-01-31T06", "2020-07-01T18"], dtype="datetime64[ns]")
_LOAD = """
import sys, numpy, mlflow
try:
    import met2net
    raise SystemExit("met2net is at hand")
except ImportError:
    pass
given = dict(numpy.load(sys.argv[2]))
model = mlflow.pyfunc.load_model(sys.argv[1])
numpy.save(sys.argv[3], model.predict(given, params={"num_leads": 4}))
"""


@pytest.fixture(scope="module", autouse=True)
def _no_telemetry():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        yield


def make_checkpoint() -> Checkpoint:
    latitude, longitude = axes(*SHAPE)
    frames = {"num_inputs": 2, "num_targets": 4}
    hours = {"input_hours": list(WINDOW.input_hours), "target_hours": list(WINDOW.target_hours)}
    settings = {
        "_target_": "met2net.models.linear_reference.LinearReference",
        "variables": VARIABLES,
        "linear": {"num_channels": 3, "grid_shape": list(SHAPE), "frames": [0, 1], "stencil": 3,
                   "num_bands": 2, "num_hours": 24, **hours},
        "forecaster": {
            "_target_": "met2net.models.known_inputs.KnownInputs", "_partial_": True,
            "fields": ["solar_radiation", "day_of_year", "climatology", "orography"],
            "num_hours": 24,
            "latitude": list(latitude), "longitude": list(longitude), **hours,
            "forecaster": {
                "_target_": "met2net.models.met2net.Met2Net", "_partial_": True, "spatial_dim": 4,
                "latent_dim": 8, "num_blocks": 1, "num_heads": 2, **frames,
            },
        },
    }  # fmt: skip
    torch.manual_seed(0)
    network = randomize(build(settings))
    set_any_references(network)
    with torch.no_grad():
        network.linear.weights.normal_(std=0.1)
        network.linear.climatology.terms.normal_()
        network.forecaster.static_fields.uniform_()
    return Checkpoint(
        network=network,
        settings=settings,
        normalizer=Normalizer(("t2m", "u10", "v10"), (285.0, 0.5, -0.3), (14.0, 5.0, 4.5)),
        grid=Grid(tuple(latitude), tuple(longitude)),
        window=WINDOW,
        variables={key: tuple(labels) for key, labels in VARIABLES.items()},
        units=("K", "m s-1", "m s-1"),
        provenance={"archive_snapshot": "SNAPSHOT1"},
    )


def make_inputs() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(2, 2, 3, *SHAPE))
    mean, std = np.array([285.0, 0.5, -0.3]), np.array([14.0, 5.0, 4.5])
    return (mean[:, None, None] + std[:, None, None] * noise).astype(np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A run's folder beside an empty registry."""
    folder = tmp_path_factory.mktemp("timed")
    make_run_folder(folder / "run", shape=SHAPE)
    save_checkpoint(folder / "model.safetensors", make_checkpoint())
    return folder


def registered(place: Path, **changes: object) -> str:
    """Register; give the model's folder."""
    store = f"sqlite:///{place}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=store)
    arguments = {
        "name": "timed", "tracking_uri": store, "example": make_inputs(), "example_time": TIMES,
        "run_id": find_or_start_run(
            client, open_experiment(store, "timed"), fingerprint="0", stage="parent"
        ),
        "scores": place / "run" / "scores.nc", "figures": [], "model": "met2net",
        "tags": {"archive_snapshot": "SNAPSHOT1", "git_commit": "abc", "protocol": "clean",
                 "settings_fingerprint": "f"},
    }  # fmt: skip
    version = register(place / "model.safetensors", **(arguments | changes))
    source = client.get_model_version_download_uri("timed", version)
    return source.removeprefix("file://")


def test_an_example_without_init_times_is_refused(place):
    with pytest.raises(DataError, match="found no init times of the example"):
        registered(place, example_time=None)


def test_it_is_loaded_without_this_package_and_asked_by_name(place, tmp_path):
    folder = registered(place)
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    scheme = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    site.joinpath("others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    hours = TIMES.astype("datetime64[h]").astype(np.int64)
    np.savez(tmp_path / "inputs.npz", fields=make_inputs(), init_time=hours)
    program = [tmp_path / "venv" / "bin" / "python", "-I", "-c", _LOAD]
    done = subprocess.run(
        [*program, folder, tmp_path / "inputs.npz", tmp_path / "out.npy"], cwd=tmp_path,
        env={**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    forecaster = Forecaster(load_checkpoint(place / "model.safetensors"))
    expected = forecaster.predict(make_inputs(), TIMES)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=5e-5)


def test_arrays_without_a_time_are_refused_clearly(place):
    model = mlflow.pyfunc.load_model(registered(place))
    with pytest.raises(MlflowException, match="fields.*init_time|suggests a dictionary input"):
        model.predict(make_inputs())
    hours = TIMES.astype("datetime64[h]").astype(np.int64)
    with pytest.raises(MlflowException, match="found 1 init times; expected 2, one a sample"):
        model.predict({"fields": make_inputs(), "init_time": hours[:1]})
