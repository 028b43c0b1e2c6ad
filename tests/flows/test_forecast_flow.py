"""The forecast flow and the commands of docs/forecasting.md, on ten days of made ERA5 files."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr

from flows.forecast import fetch_model, gather_inputs, run_model
from flows.settings.config_error import ConfigError
from flows.settings.forecast import ForecastSettings, load_forecast
from met2net.checkpoint import Checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from met2net.models.build import build
from pipelines.archive.ingest import ingest
from pipelines.errors import DataError
from pipelines.forecasting.forecast import open_forecast
from pipelines.period import Period
from pipelines.registry.register import register
from pipelines.sources.files import Files
from pipelines.tracking.find_runs import find_or_start_run, open_experiment
from pipelines.tracking.mlflow_quiet import mlflow, tracking_at
from tests.builders import make_month
from tests.pipelines.registry.served_model import end, free_port, wait_for
from tests.pipelines.synthetic_run import make_run_folder

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "forecasting.md").read_text(encoding="utf-8")
OVERRIDES = ("experiment=mumbai_monthly",)
MUMBAI = Grid((20.0, 19.0, 18.0, 17.0), (70.0, 71.0, 72.0, 73.0, 74.0))
CHANNELS = {
    "mean_sea_level_pressure": "msl",
    "10m_u_component_of_wind": "u10",
    "10m_v_component_of_wind": "v10",
    "2m_temperature": "t2m",
    "2m_dewpoint_temperature": "d2m",
}


def code_blocks(language: str) -> list[str]:
    """Give the guide's code blocks."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout, with an archive and a registered model."""
    place = tmp_path_factory.mktemp("place")
    (place / "flows").symlink_to(ROOT / "flows")
    # The source's folder is written relative to the checkout: the same from here.
    (place.parent / "shared").symlink_to(ROOT.parent / "shared")
    hours = Period("2016-01-01", "2016-01-10").hours()
    fields = make_month(hours, fields=dict.fromkeys(list(CHANNELS)[:4], ()), grid=MUMBAI)
    fields["2m_dewpoint_temperature"] = (fields["2m_temperature"] - np.float32(5)).assign_attrs(
        long_name="2 metre dewpoint temperature", standard_name="dew_point_temperature"
    )
    (place / "era5").mkdir()
    fields.rename({"time": "valid_time", **CHANNELS}).to_netcdf(place / "era5" / "download.nc")
    fields.isel(time=slice(100, 130)).drop_vars("expver").to_netcdf(place / "fields.nc")
    settings = load_forecast([f"workspace={place / 'workspace'}", *OVERRIDES])
    ingest(
        Files(str(place / "era5")), period=Period("2016-01-01", "2016-01-10"),
        fields=dict.fromkeys(CHANNELS, ()), grid=settings.grid,
        raw_folder=place / "workspace" / "raw", path=settings.archive,
    )  # fmt: skip
    register_small_model(place, settings.tracking_uri)
    return place


def register_small_model(place: Path, store: str) -> None:
    labels = tuple(CHANNELS.values())
    network = {
        "_target_": "met2net.models.met2net.Met2Net",
        "variables": {label: [label] for label in labels}, "num_inputs": 12, "num_targets": 12,
        "spatial_dim": 4, "latent_dim": 8, "num_blocks": 1, "num_heads": 2,
        "down_sampling": False,
    }  # fmt: skip
    mean, std = (101_300.0, 1.0, -1.0, 285.0, 280.0), (500.0, 5.0, 5.0, 8.0, 8.0)
    checkpoint = Checkpoint(
        network=build(network),
        settings=network,
        normalizer=Normalizer(labels, mean, std),
        grid=MUMBAI,
        window=WindowSpec.regular(num_inputs=12, num_targets=12),
        variables={label: (label,) for label in labels},
        units=("Pa", "m s-1", "m s-1", "K", "K"),
        provenance={"archive_snapshot": "S", "attribution": "Contains made-up weather."},
    )
    run_folder = make_run_folder(place / "run")
    path = run_folder / "models" / "met2net" / "model.safetensors"
    save_checkpoint(path, checkpoint)
    client = mlflow.MlflowClient(tracking_uri=store)
    run_id = find_or_start_run(
        client, open_experiment(store, "tests"), fingerprint="0", stage="parent"
    )
    example = np.array(mean)[:, None, None] + np.zeros((1, 12, 5, *MUMBAI.shape))
    register(
        path, name="met2net-mumbai_monthly", tracking_uri=store, run_id=run_id, figures=[],
        example=example.astype(np.float32), scores=run_folder / "scores.nc",
        tags={"archive_snapshot": "S", "git_commit": "abc", "settings_fingerprint": "f",
              "protocol": "clean"},
    )  # fmt: skip


def settings_of(place: Path, *overrides: str) -> ForecastSettings:
    return load_forecast([f"workspace={place / 'workspace'}", *OVERRIDES, *overrides])


def stages(place: Path, *overrides: str) -> xr.Dataset:
    """Run the flow's stages without Prefect; give the forecast."""
    settings = settings_of(place, f"out={place / 'out'}", *overrides)
    model = fetch_model.fn(settings)
    folder = gather_inputs.fn(settings, model)
    return open_forecast(run_model.fn(settings, model, folder))


def test_archive_file_and_source_lead_to_the_same_forecast(place: Path) -> None:
    at = "init_time=2016-01-06T03"
    from_archive = stages(place, at)
    from_file = stages(place, at, f"input={place / 'fields.nc'}")
    from_source = stages(
        place, at, "input=source", "source=files", f"source.folder={place / 'era5'}"
    )
    xr.testing.assert_equal(from_file, from_archive)
    xr.testing.assert_equal(from_source, from_archive)
    assert from_archive.attrs["input_snapshot"]
    assert from_file.attrs["input"] == str(place / "fields.nc")
    assert from_source.attrs["input"] == "source files"


def test_the_newest_hour_is_the_default(place: Path) -> None:
    made = stages(place)
    assert made["init_time"].values == np.datetime64("2016-01-10T23")
    assert made.sizes["lead_time"] == 12


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["init_time=2017-01-01T00"], "found no fields at 2016-12-31T13, .*; found hours: 2016"),
        (["archive=elsewhere"], "found no archive at elsewhere/files-.*; expected one: run flows/"),
        (
            ["forecaster=models:/met2net-mumbai_monthly@king"],
            "found no models:/met2net-mumbai_monthly@",
        ),
        (["input=gone.nc"], "found no gone.nc; expected a netCDF"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    place: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        stages(place, *overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("2m_temperature", lambda x: x - 273.15, "within 160 to 350 K .the whole .* Celsius"),
        ("mean_sea_level_pressure", lambda x: x / 100, "the whole field looks like hPa"),
        ("10m_u_component_of_wind", lambda x: x.where(x["longitude"] > 70, -9999), "-9999 m s-1"),
        ("2m_dewpoint_temperature", lambda x: x.where(x["longitude"] > 70, 0), "0 K at 2016-01"),
        ("2m_temperature", lambda x: x.where(x["longitude"] > 70, 1e30), "1e.30 K at 2016-01"),
    ],
)
def test_a_file_that_holds_no_weather_is_refused_before_the_model_runs(
    place: Path, tmp_path: Path, name: str, change: Callable, message: str
) -> None:
    with xr.open_dataset(place / "fields.nc") as fields:
        wrong = change(fields[name]).assign_attrs(fields[name].attrs)
        fields.assign({name: wrong}).to_netcdf(tmp_path / "mine.nc")
    with pytest.raises(DataError, match=f"mine.nc: {name} is .*{message}") as caught:
        stages(place, "init_time=2016-01-06T03", f"input={tmp_path / 'mine.nc'}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("num_leads=0", "num_leads is 0; expected a number from 1 on"),
        ("num_leads=soon", "num_leads is 'soon'; expected a whole number or null"),
        ("input=source", "init_time is null; expected an hour in UTC for input=source"),
        ("num_lead=3", "no setting 'num_lead'; did you mean 'num_leads'"),
        ("experiment=taxibj", "data.form is 'image_sequences'; expected weather"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_forecast([f"workspace={tmp_path}", "experiment=mumbai_monthly", override])


@pytest.mark.slow
def test_the_guide_s_code_runs_as_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, prefect_api: str
) -> None:
    command, serve, ask = code_blocks("sh")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(place), "PREFECT_HOME": str(place / "prefect_home"), "OMP_NUM_THREADS": "1",
        "PREFECT_API_URL": prefect_api,
        "PREFECT_PLUGINS_ENABLED": "1",  # in a checkout, pyproject.toml says so
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", "-ec", command], cwd=place, env=environment, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
    folder = place / "workspace/forecasts/met2net-mumbai_monthly-1/2016-01-10T23"
    names = {path.name for path in folder.iterdir()}
    assert names >= {"forecast.nc", "forecast.zarr", "inputs.nc", "map_2m_temperature.png"}
    assert f"Forecast: {folder.relative_to(place)}/forecast.nc" in ran.stdout

    monkeypatch.chdir(place)
    names_in_guide: dict[str, object] = {}
    with tracking_at("sqlite:///workspace/mlflow.db"):  # puts back what the guide's code sets
        for block in code_blocks("python"):
            exec(block, names_in_guide)
    assert names_in_guide["forecast"].sizes["lead_time"] == 18
    expected = names_in_guide["arrays"]

    port = free_port()
    log = place / "serve.log"
    with log.open("wb") as output:
        server = psutil.Popen(
            ["bash", "-ec", serve.replace("5001", str(port))], cwd=place, env=environment,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server, log)
        answer = subprocess.run(
            ["bash", "-ec", ask.replace("5001", str(port))], cwd=place, capture_output=True,
            text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
    finally:
        end(server)
    served = np.asarray(json.loads(answer)["predictions"], dtype=np.float32)
    np.testing.assert_allclose(served, expected, rtol=1e-5, atol=0.05)
