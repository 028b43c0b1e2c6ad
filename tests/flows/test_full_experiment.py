"""The whole job on ten days of made ERA5 files, small enough for a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from flows.settings.config import load_experiment
from flows.stages.prepare_data import update_archive
from met2net.checkpoint import load_checkpoint, save_checkpoint
from pipelines.errors import DataError
from pipelines.period import Period
from pipelines.tracking.mlflow_quiet import mlflow
from tests.builders import make_month

ROOT = Path(__file__).resolve().parents[2]
CHANNELS = {
    "mean_sea_level_pressure": "msl",
    "10m_u_component_of_wind": "u10",
    "10m_v_component_of_wind": "v10",
    "2m_temperature": "t2m",
}
MODELS = ("met2net", "tau_single")


def write_era5(path: Path) -> None:
    """Write ten days as the Climate Data Store does: netCDF, short names, `valid_time`."""
    hours = Period("2016-01-01", "2016-01-10").hours()
    month = make_month(hours, fields=dict.fromkeys(CHANNELS, ()))
    month = month.rename({"time": "valid_time", **CHANNELS})
    month.to_netcdf(path)


def overrides(folder: Path) -> list[str]:
    small = {"spatial_dim": 4, "latent_dim": 8, "num_blocks": 2}
    sizes = []
    for model in MODELS:
        inside = "network.forecaster" if model == "tau_single" else "network"
        sizes += [f"models.{model}.{inside}.{key}={value}" for key, value in small.items()]
    return [
        "experiment=pearl_river",
        "~models.tau",
        f"source.folder={folder / 'era5'}",
        f"workspace={folder / 'workspace'}",
        "data.period.start=2016-01-01",
        "data.period.end=2016-01-10",
        "data.splits.train.start=2016-01-01T00",
        "data.splits.train.end=2016-01-06T23",
        "data.splits.validation.start=2016-01-07T00",
        "data.splits.validation.end=2016-01-08T23",
        "data.splits.test.start=2016-01-09T00",
        "data.splits.test.end=2016-01-10T23",
        "data.window.num_inputs=2",
        "data.window.num_targets=3",
        "models.met2net.network.num_heads=2",
        "training.max_epochs=1",
        "training.batches_per_epoch=3",
        "evaluation.num_analysis_samples=8",
        *sizes,
    ]


def run(folder: Path, *more: str, prefect_api: str = "") -> subprocess.CompletedProcess[str]:
    """Run it with a server of the user's, by default with the embedded one."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [Path(sys.executable).with_name("prefect"), "run", "flows/full_experiment.py",
         *overrides(folder), *more],
        cwd=ROOT,
        env=os.environ | {
            "HOME": str(home), "OMP_NUM_THREADS": "1", "PREFECT_API_URL": prefect_api,
        },
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "era5").mkdir()
    write_era5(folder / "era5" / "download.nc")
    ran = run(folder)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "models:/met2net-pearl_river/1" in ran.stdout
    return folder


def run_folder(folder: Path) -> Path:
    (found,) = (folder / "workspace" / "runs").iterdir()
    return found


def test_the_run_folder_holds_everything(finished: Path) -> None:
    folder = run_folder(finished)
    for name in ("config.yaml", "scores.nc", "scores.json", "analysis.nc", "example.nc"):
        assert (folder / name).is_file(), name
    for model in MODELS:
        assert (folder / "models" / model / "model.safetensors").is_file()
    assert "http" not in (folder / "report.html").read_text().split("</style>")[0]


def test_scores_hold_every_model_beside_the_baselines(finished: Path) -> None:
    with xr.open_dataset(run_folder(finished) / "scores.nc") as scores:
        assert list(scores["model"].values) == [
            *MODELS, "persistence", "anomaly_persistence", "climatology", "ridge",
        ]  # fmt: skip
        assert np.isfinite(scores["normalized_rmse"].values).all()
        assert scores["count"].values.tolist() == [48 - 4] * 3


def test_the_champion_forecasts_the_worked_window(finished: Path) -> None:
    workspace = finished / "workspace"
    mlflow.set_tracking_uri(f"sqlite:///{workspace / 'mlflow.db'}")
    try:
        model = mlflow.pyfunc.load_model("models:/met2net-pearl_river@champion")
    finally:
        mlflow.set_tracking_uri(None)
    with xr.open_dataset(run_folder(finished) / "example.nc", decode_timedelta=False) as example:
        hours = example["init_time"].values.astype("datetime64[h]").astype(np.int64)
        fields = example["inputs"].values.astype(np.float32)
        forecast = model.predict({"fields": fields, "init_time": hours})
        worked = example["predictions"].sel(model="met2net").values
    scale = worked.std(axis=(0, 1, 3, 4), keepdims=True)
    np.testing.assert_allclose(forecast / scale, worked / scale, atol=1e-3)


@pytest.mark.long  # tests/flows/test_what_is_done_again.py has what follows from a title
def test_what_is_shown_may_change_without_new_trainings_scores_and_versions(
    finished: Path, prefect_api: str
) -> None:
    folder = run_folder(finished)
    watched = [folder / "scores.nc", *folder.glob("models/*/model.safetensors")]
    before = {path: path.stat().st_mtime_ns for path in watched}
    ran = run(finished, "title=Another title", "evaluation.num_examples=2", prefect_api=prefect_api)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert run_folder(finished) == folder
    assert {path: path.stat().st_mtime_ns for path in watched} == before
    assert "Another title" in (folder / "report.html").read_text()
    with xr.open_dataset(folder / "example.nc", decode_timedelta=False) as example:
        assert example.sizes["example"] == 2
    client = _client(finished)
    assert len(client.search_model_versions("name = 'met2net-pearl_river'")) == 1
    experiment = client.get_experiment_by_name("pearl_river")
    parents = client.search_runs([experiment.experiment_id], "tags.`met2net.stage` = 'pearl_river'")
    assert len(parents) == 1
    assert parents[0].info.status == "FINISHED"


@pytest.mark.long
def test_new_weights_are_scored_anew(finished: Path, prefect_api: str) -> None:
    """As of a training with other code: the same job, other weights."""
    folder, client = run_folder(finished), _client(finished)
    training = (folder / "models" / "met2net").resolve()
    checkpoint = load_checkpoint(training / "model.safetensors")
    with torch.no_grad():
        next(checkpoint.network.parameters()).mul_(0.5)
    save_checkpoint(training / "model.safetensors", checkpoint)
    old = json.loads((folder / "scores.json").read_text())["normalized_rmse"]
    ran = run(finished, prefect_api=prefect_api)
    assert ran.returncode == 0, ran.stderr[-3000:]
    new = json.loads((folder / "scores.json").read_text())["normalized_rmse"]
    assert new["met2net"] != old["met2net"] and new["tau_single"] == old["tau_single"]
    assert "models:/met2net-pearl_river/2" in ran.stdout
    tags = client.get_model_version("met2net-pearl_river", "2").tags
    assert float(tags["test.normalized_rmse"]) == pytest.approx(new["met2net"], rel=1e-5)


def _client(folder: Path) -> "mlflow.MlflowClient":
    return mlflow.MlflowClient(f"sqlite:///{folder / 'workspace' / 'mlflow.db'}")


def test_a_run_writes_nothing_outside_its_workspace(finished: Path) -> None:
    assert sorted(p.name for p in finished.iterdir()) == ["era5", "home", "workspace"]
    assert [p for p in (finished / "era5").iterdir() if p.name != "download.nc"] == []
    # Matplotlib's list of fonts is a cache of the user, not a product of the run.
    written = [p for p in (finished / "home").rglob("*") if p.is_file()]
    assert not [p for p in written if ".cache" not in p.parts]
    assert not (ROOT / "mlruns").exists()


def test_a_period_that_the_files_lack_is_told_in_one_line(finished: Path) -> None:
    experiment = load_experiment([*overrides(finished), "data.period.end=2016-01-12"])
    with pytest.raises(DataError, match="download.nc.*2016-01-11T00") as caught:
        update_archive.fn(experiment)
    assert "\n" not in str(caught.value)
