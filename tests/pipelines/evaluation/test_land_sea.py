import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid
from pipelines.errors import DataError
from pipelines.evaluation.land_sea import read_land_and_sea

GRID = Grid((20.0, 19.0), (70.0, 71.0, 72.0))
LAND = np.array([[False, False, True], [False, True, True]])
AXES = {"latitude": [18.0, 19.0, 20.0, 21.0], "longitude": [70.0, 71.0, 72.0, 73.0]}


def _on_file_axes(values, fill):
    """Put the grid's two rows where a file with more points, south first, has them."""
    field = np.full((4, 4), fill)
    field[2, :3], field[1, :3] = values
    return field


def _masks(path):
    return {region.name: region.mask for region in read_land_and_sea(path, GRID)}


def test_a_land_sea_mask_of_more_points_in_another_order_is_read(tmp_path):
    fraction = _on_file_axes(np.where(LAND, 0.8, 0.1), 1.0)
    dataset = xr.Dataset({"lsm": (("latitude", "longitude"), fraction)}, coords=AXES)
    dataset.to_netcdf(tmp_path / "mask.nc")
    found = _masks(tmp_path / "mask.nc")
    np.testing.assert_array_equal(found["land"], LAND)
    np.testing.assert_array_equal(found["sea"], ~LAND)


def test_land_is_where_sea_temperature_is_missing(tmp_path):
    field = _on_file_axes(np.where(LAND, np.nan, 300.0), np.nan)
    sst = np.stack([field, np.full((4, 4), 290.0)])
    dataset = xr.Dataset({"sst": (("time", "latitude", "longitude"), sst)}, coords=AXES)
    dataset.to_netcdf(tmp_path / "sst.nc")
    np.testing.assert_array_equal(_masks(tmp_path / "sst.nc")["land"], LAND)


def test_files_that_do_not_tell_land_from_sea_are_refused(tmp_path):
    path = tmp_path / "mask.nc"
    with pytest.raises(DataError, match="found no file"):
        read_land_and_sea(path, GRID)
    for content, message in (
        (
            {"t2m": (("latitude", "longitude"), np.ones((4, 4)))},
            "has t2m; expected one of land",
        ),
        ({"lsm": (("latitude", "longitude"), np.full((4, 4), 2.0))}, "not all within 0 to 1"),
        ({"lsm": (("latitude",), np.ones(4))}, "has no dimension longitude"),
    ):
        xr.Dataset(content, coords=AXES).to_netcdf(path)
        with pytest.raises(DataError, match=message):
            read_land_and_sea(path, GRID)
    small = xr.Dataset({"lsm": (("latitude", "longitude"), np.ones((4, 4)))}, coords=AXES)
    small.isel(longitude=slice(2)).to_netcdf(path)
    with pytest.raises(DataError, match="lsm of .* lacks points of the grid 2 x 3 points"):
        read_land_and_sea(path, GRID)


def test_a_region_across_greenwich_finds_its_points_in_a_mask_of_the_globe(tmp_path):
    fraction = np.zeros((2, 36))
    fraction[0, 35] = fraction[1, 1] = 1.0  # at 350 and at 10 degrees east
    axes = {"latitude": [20.0, 19.0], "longitude": 10.0 * np.arange(36)}
    for turned in (axes["longitude"], (axes["longitude"] + 180) % 360 - 180):
        xr.Dataset(
            {"lsm": (("latitude", "longitude"), fraction)}, coords={**axes, "longitude": turned}
        ).to_netcdf(tmp_path / "mask.nc")
        regions = read_land_and_sea(tmp_path / "mask.nc", Grid((20.0, 19.0), (-10.0, 0.0, 10.0)))
        land = next(region.mask for region in regions if region.name == "land")
        assert land.tolist() == [[True, False, False], [False, False, True]]
