from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from met2net.checkpoint import load_checkpoint
from met2net.forecast import Forecaster
from pipelines.errors import DataError
from pipelines.figures.forecast import forecast_figures
from pipelines.figures.style import save
from pipelines.forecasting.cyclones import find_tracks
from pipelines.forecasting.forecast import make_forecast, open_forecast, write_forecast
from pipelines.forecasting.model import ForecastModel
from tests.builders import make_month, month_hours
from tests.pipelines.small_project import make_checkpoint, make_training_set

START = np.datetime64("2016-01-02T05", "ns")
PROVENANCE = {"archive_snapshot": "TRAINED0N", "git_commit": "abc", "attribution": "Data: ERA5."}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ForecastModel:
    folder = tmp_path_factory.mktemp("project")
    training_set = make_training_set(folder)
    path = make_checkpoint(folder / "m.safetensors", training_set, provenance=PROVENANCE)
    return ForecastModel(path, "small", "3")


@pytest.fixture
def month() -> xr.Dataset:
    hours = month_hours("2016-01")[:48]
    return make_month(hours).assign_attrs(input="file.nc", input_snapshot="READ0UT")


@pytest.fixture
def forecast(model: ForecastModel, month: xr.Dataset) -> xr.Dataset:
    return make_forecast(model, month, init_time=START, num_leads=5)


def test_the_numbers_are_the_library_s_by_roll_out(
    model: ForecastModel, month: xr.Dataset, forecast: xr.Dataset
) -> None:
    library = Forecaster(load_checkpoint(model.checkpoint)).forecast(month, START, num_leads=5)
    xr.testing.assert_equal(forecast, library)
    assert forecast.sizes["lead_time"] == 5  # the network was trained on two


def test_attributes_say_which_model_and_which_data(forecast: xr.Dataset) -> None:
    expected = {
        "Conventions": "CF-1.11",
        "model_name": "small",
        "model_version": "3",
        "model_archive_snapshot": "TRAINED0N",
        "model_git_commit": "abc",
        "input": "file.nc",
        "input_snapshot": "READ0UT",
        "attribution": "Data: ERA5.",
    }
    assert forecast.attrs.items() >= expected.items()
    assert forecast.attrs["title"] == "Forecast by small-3 from 2016-01-02T05 UTC"
    assert forecast.attrs["forecast_git_commit"]


def test_an_attribution_of_the_inputs_joins_that_of_the_model(
    model: ForecastModel, month: xr.Dataset
) -> None:
    for given, expected in (
        ("Data: ERA5.", "Data: ERA5."),
        ("Mine.", "Data: ERA5. Mine."),
        ("Data: ERA5. And more.", "Data: ERA5. And more."),
    ):
        made = make_forecast(
            model, month.assign_attrs(attribution=given), init_time=START, num_leads=None
        )
        assert made.attrs["attribution"] == expected


def test_netcdf_and_zarr_hold_the_same_and_are_replaced(
    forecast: xr.Dataset, tmp_path: Path
) -> None:
    for _ in range(2):
        path = write_forecast(forecast, tmp_path)
    read = open_forecast(path)
    _assert_holds(read, forecast)
    with xr.open_zarr(tmp_path / "forecast.zarr", decode_timedelta=True) as stored:
        _assert_holds(stored.load(), forecast)
    shown = sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("."))
    assert shown == ["forecast.nc", "forecast.zarr"]


def _assert_holds(read: xr.Dataset, forecast: xr.Dataset) -> None:
    """What is written has all that was given, and beside it what CF readers look for."""
    assert set(read.variables) - set(forecast.variables) == {"height_2m", "height_10m"}
    xr.testing.assert_equal(read.drop_vars(["height_2m", "height_10m"]), forecast)
    assert read.attrs.items() >= forecast.attrs.items()
    assert set(read.attrs) - set(forecast.attrs) == {"history"}
    for name, array in forecast.variables.items():
        assert read[name].attrs.items() >= array.attrs.items(), name


def test_times_are_cf_numbers_with_units(forecast: xr.Dataset, tmp_path: Path) -> None:
    path = write_forecast(forecast, tmp_path)
    with xr.open_dataset(path, decode_times=False) as raw:
        assert raw["lead_time"].values.tolist() == [1, 2, 3, 4, 5]
        assert raw["lead_time"].attrs["units"] == "hours"
        assert raw["init_time"].attrs["units"] == "hours since 1970-01-01"
        assert (raw["valid_time"].values[0] - raw["init_time"].values[0]).tolist() == [
            1, 2, 3, 4, 5,
        ]  # fmt: skip
        assert raw["2m_temperature"].attrs["units"] == "K"
        assert raw["relative_humidity"].dims == (
            "init_time", "lead_time", "level", "latitude", "longitude",
        )  # fmt: skip
    assert zarr.open_group(tmp_path / "forecast.zarr", mode="r").metadata.consolidated_metadata


def test_what_does_not_fit_is_refused_in_one_line(
    model: ForecastModel, month: xr.Dataset, tmp_path: Path
) -> None:
    def refused(dataset: xr.Dataset, match: str) -> None:
        with pytest.raises(DataError, match=match) as caught:
            make_forecast(model, dataset, init_time=START, num_leads=None)
        assert "\n" not in str(caught.value)

    refused(month.isel(latitude=slice(2)), "small-3: dataset has grid .*; expected")
    refused(month.drop_vars("2m_temperature"), "no variable '2m_temperature'; found: 10m_u")
    refused(month.isel(level=[1]), r"relative_humidity has levels 1000; expected 850 \[hPa\]")
    refused(month.isel(time=slice(4)), "no fields at 2016-01-02T03, 2016-01-02T04")
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match="damaged or no safetensors file"):
        make_forecast(ForecastModel(path, "broken", None), month, init_time=START, num_leads=None)


def test_every_field_and_level_has_a_map(
    month: xr.Dataset, forecast: xr.Dataset, tmp_path: Path
) -> None:
    analysis = month.sel(time=[START])
    tracks = find_tracks(analysis, forecast)
    figures = dict(forecast_figures(analysis, forecast, tracks=tracks))
    assert set(figures) == {
        "map_2m_temperature", "map_10m_u_component_of_wind", "map_relative_humidity_850",
        "map_relative_humidity_1000",
    }  # fmt: skip
    titles = [panel.get_title() for panel in figures["map_2m_temperature"].axes]
    assert titles[:4] == ["init time", "+1 h", "+3 h", "+5 h"]
    path = save(figures["map_2m_temperature"], tmp_path / "map.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_forecast_of_one_lead_time_without_its_start_is_drawn(forecast: xr.Dataset) -> None:
    one = forecast.isel(lead_time=[0])
    figures = dict(forecast_figures(xr.Dataset(), one, tracks=[]))
    titles = [panel.get_title() for panel in figures["map_2m_temperature"].axes]
    assert [t for t in titles if t] == ["+1 h"]
