"""Before regridding: a few numbers that stand for "no value", and points that never change."""

import re

import numpy as np
import pytest
import xarray as xr

from met2net.data.variables import variable
from pipelines.errors import DataError
from pipelines.fields.regrid import regrid, used_points
from pipelines.fields.source_watch import SourceWatch
from pipelines.fields.target_grids import Box, GridSettings

HOURS = np.datetime64("2020-01-01T00", "ns") + np.arange(48) * np.timedelta64(1, "h")
COARSE = GridSettings(box=Box(27.0, 112.0, 21.0, 118.0), resolution=2.0)


def made(name: str = "2m_temperature", mean: float = 285.0, level: int | None = None):
    """Two days of noise on a grid of 1 degree, 30 to 17 N, 108 to 121 E."""
    values = mean + np.random.default_rng(0).normal(size=(48, 14, 14))
    dims, coords = ("time", "latitude", "longitude"), {}
    if level is not None:
        values, dims, coords = values[:, None], ("time", "level", *dims[1:]), {"level": [level]}
    coords |= {"time": HOURS, "latitude": 30.0 - np.arange(14), "longitude": 108.0 + np.arange(14)}
    return xr.Dataset(
        {name: (dims, values.astype(np.float32), variable(name).attrs)}, coords=coords
    )


def pass_through(dataset: xr.Dataset, settings: GridSettings = COARSE):
    """Regrid under watch; give the result and what was found."""
    watch = SourceWatch(*used_points(dataset, settings))
    return regrid(watch.watch(dataset), settings).compute(), list(watch.findings())


@pytest.mark.parametrize("chunks", [None, {"time": 7, "latitude": 5}])
@pytest.mark.parametrize("level", [None, 850])
def test_fields_pass_unchanged(chunks, level):
    name = "temperature" if level else "2m_temperature"
    dataset = made(name, level=level)
    expected = regrid(dataset, COARSE).compute()
    result, found = pass_through(dataset if chunks is None else dataset.chunk(chunks))
    xr.testing.assert_identical(result, expected)
    assert found == []


def test_one_number_for_no_value_is_refused_although_its_mean_would_pass():
    dataset = made("10m_u_component_of_wind", 0.0)
    dataset["10m_u_component_of_wind"].values[30, 5, 6] = -150.0
    cell = regrid(dataset, COARSE)["10m_u_component_of_wind"]
    low, high = variable("10m_u_component_of_wind").valid_range
    assert low < float(cell.min()) and float(cell.max()) < high
    with pytest.raises(
        DataError, match=re.escape(
            "10m_u_component_of_wind is -150 m s-1 at 2020-01-02T06, latitude 25, longitude 114; "
            "expected within -120 to 120 m s-1"
        )
    ):  # fmt: skip
        pass_through(dataset)


def test_a_level_is_named():
    dataset = made("temperature", level=850)
    dataset["temperature"].values[3, 0, 5, 6] = -9999.0
    with pytest.raises(DataError, match="temperature at 850 hPa is -9999 K at 2020-01-01T03"):
        pass_through(dataset)


def test_points_that_no_cell_needs_do_not_count():
    dataset = made()
    dataset["2m_temperature"].values[:, 0, 0] = -9999.0
    result, found = pass_through(dataset)
    assert float(result["2m_temperature"].min()) > 250 and found == []
    with pytest.raises(DataError, match="2m_temperature is -9999 K"):
        pass_through(dataset, GridSettings())


def test_points_without_a_value_are_none_of_its_business():
    dataset = made("sea_surface_temperature", 290.0)
    dataset["sea_surface_temperature"].values[:, :, 3:7] = np.nan
    dataset["sea_surface_temperature"].values[5] = np.nan
    assert pass_through(dataset)[1] == []


@pytest.mark.parametrize(
    ("name", "mean", "fill"),
    [("sea_surface_temperature", 290.0, 280.5), ("2m_temperature", 285.0, 250.0),
     ("total_precipitation", 0.0, 1e-3), ("total_cloud_cover", 0.5, 0.3)],
)  # fmt: skip
def test_a_lost_fill_value_is_found(name, mean, fill):
    dataset = made(name, mean).isel(time=np.tile(np.arange(48), 2))
    dataset = dataset.assign_coords(time=HOURS[0] + np.arange(96) * np.timedelta64(1, "h"))
    if name.startswith("total"):
        dataset[name].values[:] = np.clip(np.abs(dataset[name].values), 0, 0.9)
        dataset[name].values[:48] *= 0.5
    dataset[name].values[:, 4:8, 5:9] = fill
    _, (finding,) = pass_through(dataset)
    assert finding.kind == "unchanging_points" and finding.variable == name
    assert "keeps its value for all 96 hours at 16 of" in finding.text
    assert f"({fill:g} at latitude 26, longitude 113)" in finding.text


def test_water_under_ice_and_a_single_point_at_rest_are_no_fill():
    name = "sea_surface_temperature"
    dataset = made(name, 280.0)
    dataset[name].values[:, 4:8, 5:9] = 271.46
    dataset[name].values[:, 9, 9] = 281.0
    assert pass_through(dataset)[1] == []


def test_dry_points_and_fields_at_rest_as_a_whole_are_no_fill():
    rain = made("total_precipitation", 0.0)
    rain["total_precipitation"].values[:] = np.abs(rain["total_precipitation"].values) * 1e-3
    rain["total_precipitation"].values[:, 4:8, 5:9] = 0.0
    assert pass_through(rain)[1] == []
    still = made()
    still["2m_temperature"].values[:] = still["2m_temperature"].values[0]
    assert pass_through(still)[1] == []  # repeated fields, another kind
    short = made().isel(time=slice(0, 12))
    short["2m_temperature"].values[:, 5, 5] = 285.0
    assert pass_through(short)[1] == []
