"""Files for others, read by others: the CF checker of IOOS, cf-xarray, netCDF4 and huracanpy."""

import importlib.util
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType

import cf_xarray  # noqa: F401, gives datasets `.cf`
import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

from met2net.checkpoint import load_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.verification.forecast_store import write_forecasts
from pipelines.archive.export import export_zarr
from pipelines.archive.ingest import ingest
from pipelines.archive.state import current_state, open_archive
from pipelines.evaluation.evaluate import evaluate
from pipelines.evaluation.settings import ScoringSettings
from pipelines.fields.target_grids import GridSettings
from pipelines.forecasting.cyclones import find_tracks, write_tracks
from pipelines.forecasting.forecast import make_forecast, open_forecast, write_forecast
from pipelines.forecasting.inputs import read_fields, read_inputs, write_inputs
from pipelines.forecasting.model import ForecastModel
from pipelines.formats.decode import decode
from pipelines.period import Period
from pipelines.storms.tracks import track_storm
from tests.builders import SMALL_GRID, FakeSource, make_month, month_hours
from tests.pipelines.forecasting.test_cyclones import make as make_storm
from tests.pipelines.small_project import WINDOW, make_checkpoint, make_training_set
from tests.pipelines.storms.storm_fields import make_analysis, make_best, make_forecasts, position
from tests.pipelines.storms.test_tracks import STORM

FIELDS = {"2m_temperature": (), "total_precipitation": (), "geopotential": (500, 850)}
LABELS = ("t2m", "u10", "tp", "z500", "t850")
START = np.datetime64("2016-01-02T05", "ns")
HOUR = np.timedelta64(1, "h")
# Recommendations that are not followed: variables have the names of the Climate Data Store, as
# `2m_temperature`, and an init time comes before its lead times.
_OUR_WAY = ("§2.3 Naming Conventions", "§2.4 Dimensions")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind, made by the stages that make them."""
    folder = tmp_path_factory.mktemp("outputs")
    training_set = make_training_set(folder / "project")
    model = ForecastModel(
        make_checkpoint(folder / "m.safetensors", training_set), "small", "3"
    )  # fmt: skip
    month = make_month(month_hours("2016-01")[:48])
    evaluate(
        training_set, checkpoints={}, window=WINDOW, split="test", out=folder,
        scoring=ScoringSettings(block_days=1, num_resamples=100),
    )  # fmt: skip
    write_inputs(month, load_checkpoint(model.checkpoint), init_time=START, folder=folder)
    made = make_forecast(model, read_inputs(folder), init_time=START, num_leads=3)
    write_forecast(made, folder)
    write_forecast(sums_and_levels(), folder / "sums")
    _to_netcdf(folder / "sums" / "forecast.zarr", folder / "forecast_zarr.nc")
    ingest(
        FakeSource(), period=Period("2016-01-01", "2016-01-02"), fields=FIELDS,
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip
    _to_netcdf(export_zarr(folder / "archive", folder / "export.zarr"), folder / "export.nc")
    _to_netcdf(forecast_store(folder / "store.zarr"), folder / "store.nc")
    analysis, forecast = make_storm(*position(np.arange(7)))
    write_tracks(find_tracks(analysis, forecast), forecast, folder)
    models = {"hourly": make_forecasts(north_per_hour=0.0, inits=range(0, 13, 3))}
    track_storm(STORM, best=make_best(), analysis=make_analysis(), forecasts=models, out=folder)
    return folder


def sums_and_levels() -> xr.Dataset:
    """A forecast whose variables have different levels, with a sum over the hour before."""
    leads = np.arange(1, 4) * np.timedelta64(3_600_000_000_000, "ns")
    dims = ("init_time", "lead_time", "latitude", "longitude")
    field = np.ones((1, 3, *SMALL_GRID.shape), dtype=np.float32)
    names = {
        "2m_temperature": ("K", "air_temperature"), "10m_wind_speed": ("m s-1", "wind_speed"),
        "total_precipitation": ("m", "lwe_thickness_of_precipitation_amount"),
        "z500": ("m2 s-2", "geopotential"), "t850": ("K", "air_temperature"),
    }  # fmt: skip
    return xr.Dataset(
        {name: (dims, field, {"units": u, "standard_name": s}) for name, (u, s) in names.items()},
        coords={
            "init_time": [START], "lead_time": leads, "latitude": list(SMALL_GRID.latitude),
            "longitude": list(SMALL_GRID.longitude),
            "valid_time": (("init_time", "lead_time"), (START + leads)[None]),
        },
        attrs={"title": "A forecast", "history": "before: made"},
    )  # fmt: skip


def forecast_store(path: Path) -> Path:
    normalizer = Normalizer(LABELS, (0.0,) * 5, (1.0,) * 5)
    init = 420_000 + np.arange(0, 60, 6)
    batches = [(part, torch.zeros(5, 2, 5, 2, 3)) for part in np.split(init, 2)]
    return write_forecasts(
        path, batches, lead_hours=(1, 6), grid=Grid((20.0, 19.0), (70.0, 71.0, 72.0)),
        normalizer=normalizer, units=["K", "m s-1", "m", "m2 s-2", "K"], attrs={},
    )  # fmt: skip


def _to_netcdf(store: Path, path: Path) -> None:
    """Copy a Zarr store as it is, attribute by attribute, for programs that read netCDF alone."""
    raw = xr.open_zarr(store, decode_cf=False, chunks=None).load()
    for array in raw.variables.values():
        fill = array.encoding.get("_FillValue", array.attrs.pop("_FillValue", None))
        array.encoding = {"_FillValue": fill}
    raw.to_netcdf(path)


FILES = (
    "inputs.nc", "forecast.nc", "sums/forecast.nc", "forecast_zarr.nc", "export.nc", "store.nc",
    "tracks.nc", "tracks_test.nc",
)  # fmt: skip
TABLES = ("scores.nc", "statistics.nc")  # of scores: no fields, but named all the same


@pytest.fixture(scope="module")
def verdicts(outputs: Path) -> dict[str, dict[str, list[dict[str, object]]]]:
    """What the CF checker says; a process of its own, whose libraries may not meet ecCodes'."""
    report = outputs / "report.json"
    # That check fails on every contiguous ragged array, by an error of its own (version 6.1).
    command = ["-t", "cf:1.11", "-s", "check_domain_variables", "-f", "json_new", "-o", report]
    checker = Path(sys.executable).with_name("compliance-checker")
    done = subprocess.run(
        [checker, *command, *FILES, *TABLES], cwd=outputs, capture_output=True, text=True
    )
    assert report.exists(), done.stderr
    failed = [line for line in (done.stdout + done.stderr).splitlines() if "cf:1.11." in line]
    # It subtracts the names of models from each other.
    assert all("for -: 'str' and 'str'" in line for line in failed), failed
    return {name: checks["cf:1.11"] for name, checks in json.loads(report.read_text()).items()}


@pytest.mark.parametrize("name", FILES)
def test_the_cf_checker_finds_no_error_and_no_warning_but_our_names(
    verdicts: dict[str, dict[str, list[dict[str, object]]]], name: str
) -> None:
    verdict = verdicts[name]
    assert [check["msgs"] for check in verdict["high_priorities"] if check["msgs"]] == []
    others = [c for c in verdict["medium_priorities"] + verdict["low_priorities"] if c["msgs"]]
    assert {str(check["name"]) for check in others} <= set(_OUR_WAY)


@pytest.mark.parametrize("name", TABLES)
def test_the_cf_checker_finds_no_error_in_tables_of_scores(
    verdicts: dict[str, dict[str, list[dict[str, object]]]], name: str
) -> None:
    assert [c["msgs"] for c in verdicts[name]["high_priorities"] if c["msgs"]] == []


@pytest.mark.parametrize("name", FILES)
def test_no_coordinate_has_a_fill_value_and_the_history_says_when(outputs: Path, name: str) -> None:
    with netCDF4.Dataset(outputs / name) as file:
        listed = {c for v in file.variables.values() for c in getattr(v, "coordinates", "").split()}
        bounds = {v.bounds for v in file.variables.values() if "bounds" in v.ncattrs()}
        for coordinate in ({*file.dimensions} & {*file.variables}) | listed | bounds:
            assert "_FillValue" not in file[coordinate].ncattrs(), coordinate
        assert "coordinates" not in file.ncattrs()  # that is no CF
        when, program = file.history.splitlines()[0].split(" ")[:2]
        assert datetime.fromisoformat(when).tzinfo is not None and program == "met2net"


GRIDDED = {
    "inputs.nc": "time", "forecast.nc": "valid_time", "sums/forecast.nc": "valid_time",
    "export.nc": "time", "store.nc": "valid_time",
}  # fmt: skip


@pytest.mark.parametrize(("name", "time"), GRIDDED.items())
def test_cf_xarray_finds_axes_and_variables_by_standard_name(
    outputs: Path, name: str, time: str
) -> None:
    with xr.open_dataset(outputs / name, decode_timedelta=True) as dataset:
        assert dataset.cf.axes["X"] == ["longitude"] and dataset.cf.axes["Y"] == ["latitude"]
        assert dataset.cf.axes["T"] == dataset.cf.coordinates["time"] == [time]
        names = dataset.cf.standard_names
        assert ["2m_temperature"] == [n for n in names["air_temperature"] if n != "t850"]
        assert dataset.cf["2m_temperature"].cf["height"].item() == 2.0


def test_each_variable_has_its_own_height_or_level(outputs: Path) -> None:
    expected = {
        "2m_temperature": {"height_2m": 2.0}, "10m_wind_speed": {"height_10m": 10.0},
        "z500": {"level_500": 500.0}, "t850": {"level_850": 850.0}, "total_precipitation": {},
    }  # fmt: skip
    for name in ("sums/forecast.nc", "forecast_zarr.nc"):
        with netCDF4.Dataset(outputs / name) as file:
            for variable, scalars in expected.items():
                listed = set(file[variable].coordinates.split())
                assert listed == {"valid_time", *scalars}
                for scalar, value in scalars.items():
                    assert file[scalar].shape == () and file[scalar][...] == value
                    assert file[scalar].axis == "Z" and file[scalar].positive in ("up", "down")
            assert file["level_500"].units == "hPa" and file["height_2m"].units == "m"


@pytest.mark.parametrize(
    ("name", "time", "units"),
    [("sums/forecast.nc", "lead_time", "hours"), ("forecast_zarr.nc", "lead_time", "hours"),
     ("store.nc", "lead_time", "hours"), ("export.nc", "time", "hours since 1970-01-01")],
)  # fmt: skip
def test_sums_say_over_which_hour_they_are(
    outputs: Path, name: str, time: str, units: str
) -> None:  # fmt: skip
    with netCDF4.Dataset(outputs / name) as file:
        assert file["total_precipitation"].cell_methods == f"{time}: sum"
        assert file["2m_temperature"].cell_methods == f"{time}: point"
        assert file[time].bounds == f"{time}_bounds"
        end = file[time][:]
        hours = np.stack([end - 1, end], axis=-1)
        assert file[time].units == units
        assert getattr(file[f"{time}_bounds"], "units", units) == units
        np.testing.assert_array_equal(file[f"{time}_bounds"][:], hours)


def test_without_sums_there_are_no_bounds(outputs: Path) -> None:
    for name in ("forecast.nc", "inputs.nc"):
        with netCDF4.Dataset(outputs / name) as file:
            assert not [v for v in file.variables if v.endswith("_bounds")]
            assert "bounds" not in file["latitude"].ncattrs()


def test_xarray_reads_bounds_as_times_and_the_project_its_own_files(outputs: Path) -> None:
    with xr.open_zarr(outputs / "store.zarr", chunks=None) as store:
        bounds = store["lead_time_bounds"]
        np.testing.assert_array_equal(bounds[..., 1], store["lead_time"])
        assert (bounds[..., 1] - bounds[..., 0] == HOUR).all()
        assert store.sizes["init_time"] == 10
    read = open_forecast(outputs / "sums" / "forecast.nc")
    made = sums_and_levels()
    assert set(read.data_vars) == set(made.data_vars)
    for name in made.data_vars:
        np.testing.assert_array_equal(read[name], made[name])
    assert read.attrs["history"].splitlines()[1] == "before: made"


def test_what_is_exported_is_read_as_any_other_data(outputs: Path, tmp_path: Path) -> None:
    snapshot = current_state(outputs / "archive")
    assert snapshot is not None
    expected = open_archive(outputs / "archive", snapshot.snapshot_id)[list(FIELDS)].load()
    for read in (read_fields(outputs / "export.zarr", ("t2m", "tp", "z500")),
                 decode(outputs / "export.nc")):  # fmt: skip
        assert set(read.data_vars) == set(FIELDS)
        for name in FIELDS:
            np.testing.assert_array_equal(read[name], expected[name])
    again = decode(outputs / "inputs.nc")
    assert set(again.data_vars) == set(read_inputs(outputs).data_vars)


def _huracanpy_netcdf() -> ModuleType:
    """Give huracanpy's reader of netCDF; its other modules need packages that are not installed."""
    package = importlib.util.find_spec("huracanpy")
    assert package is not None and package.origin is not None
    path = Path(package.origin).with_name("_data") / "_netcdf.py"
    spec = importlib.util.spec_from_file_location("huracanpy_netcdf", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_huracanpy_reads_the_tracks(outputs: Path) -> None:
    # Without names of its own to guess by: the file itself says which variable is which.
    tracks = _huracanpy_netcdf().load(outputs / "tracks.nc", [])
    assert tracks["track_id"].values.tolist() == [1] * 7
    latitude, longitude = position(np.arange(7))
    np.testing.assert_allclose(tracks["latitude"], latitude, atol=0.1)
    np.testing.assert_allclose(tracks["longitude"], longitude, atol=0.1)
    hours = (tracks["time"].values - tracks["time"].values[0]) / HOUR
    assert hours.tolist() == list(range(7))


def test_tracks_are_a_contiguous_ragged_array(outputs: Path) -> None:
    with netCDF4.Dataset(outputs / "tracks.nc") as file:
        assert file.featureType == "trajectory" and file.Conventions == "CF-1.11"
        assert file["track_id"].cf_role == "trajectory_id"
        assert file["row_size"].sample_dimension == "obs"
        assert file["row_size"][:].tolist() == [file.dimensions["obs"].size]
        assert file["pressure"].coordinates == "time latitude longitude"
