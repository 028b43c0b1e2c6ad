"""What decoding leaves out of weather, the surface's `z` and `lsm`, is read as it is."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.static_files import canonical_static, read_static_fields
from tests.pipelines.formats.grib_files import LATITUDE, LONGITUDE, message

BOTH = ("orography", "land_sea_mask")
HEIGHTS = np.array([[0.0, 100.0], [250.0, 2000.0], [30.0, 1.0]])
LAND = np.array([[0.0, 0.5], [1.0, 1.0], [0.25, 0.0]])
G = 9.80665


def netcdf(path: Path, values=HEIGHTS * G, *, name: str = "z", units: str = "m2 s-2") -> Path:
    axes = {"latitude": LATITUDE, "longitude": LONGITUDE}
    dims = ("valid_time", "latitude", "longitude")[3 - np.ndim(values) :]
    if np.ndim(values) == 3:
        axes["valid_time"] = np.datetime64("2020-01-01", "ns") + np.arange(len(values))
    xr.Dataset({name: (dims, values, {"units": units})}, coords=axes).to_netcdf(path)
    return path


def test_grib_gives_the_surface_and_not_the_levels(tmp_path: Path) -> None:
    path = tmp_path / "month.grib"
    parts = [
        message(HEIGHTS * G, short_name="z"), message(LAND, short_name="lsm"),
        message(HEIGHTS + 5000, short_name="z", level=500), message(280 + LAND),
        message(HEIGHTS * G, short_name="z", time="2020-01-01T01"),
    ]  # fmt: skip
    path.write_bytes(b"".join(parts))
    found = read_static_fields(path, BOTH)
    np.testing.assert_allclose(found["orography"].values, HEIGHTS, atol=0.05)  # of 16 bits
    np.testing.assert_allclose(found["land_sea_mask"].values, LAND, atol=1e-4)
    assert found["orography"]["latitude"].values.tolist() == LATITUDE.tolist()
    assert list(read_static_fields(path, ["land_sea_mask"])) == ["land_sea_mask"]
    path.write_bytes(parts[2] + parts[3])
    assert read_static_fields(path, BOTH) == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ((message(HEIGHTS * G, short_name="z"), message(HEIGHTS * 9, short_name="z")),
         "orography changes with time, by up to 164"),
        ((message(HEIGHTS * G, short_name="z", latitude=LATITUDE[::-1]),
          message(HEIGHTS * G, short_name="z", latitude=LATITUDE + 1)), "on two grids"),
        ((message(HEIGHTS * G, short_name="z", gridType="rotated_ll"),), "expected regular_ll"),
    ],
)  # fmt: skip
def test_grib_that_is_not_one_field_on_a_regular_grid_is_refused(tmp_path, content, text) -> None:
    path = tmp_path / "z.grib"
    path.write_bytes(b"".join(content))
    with pytest.raises(DataError, match=text):
        read_static_fields(path, BOTH)


def test_netcdf_of_no_time_of_one_and_of_equal_ones_is_the_same(tmp_path: Path) -> None:
    for values in (HEIGHTS, HEIGHTS[None], np.stack([HEIGHTS] * 3)):
        found = read_static_fields(netcdf(tmp_path / "z.nc", values * G), BOTH)
        np.testing.assert_allclose(found["orography"].values, HEIGHTS, rtol=1e-6)
    moving = np.stack([HEIGHTS, HEIGHTS + 50]) * G
    with pytest.raises(DataError, match="z.nc: z changes with time"):
        read_static_fields(netcdf(tmp_path / "z.nc", moving), BOTH)
    with pytest.raises(DataError, match="z.nc: z has units 'feet'; expected m or gpm or m2 s-2"):
        read_static_fields(netcdf(tmp_path / "z.nc", units="feet"), BOTH)


def test_members_of_a_zip_are_read_and_other_files_have_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answer.zip"
    mask = netcdf(tmp_path / "lsm.nc", LAND, name="lsm", units="(0 - 1)")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("note.txt", "nothing")
        archive.write(netcdf(tmp_path / "z.nc"), "folder/z.nc")
        archive.write(mask, "lsm.nc")
    assert sorted(read_static_fields(path, BOTH)) == ["land_sea_mask", "orography"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(netcdf(tmp_path / "z.nc", units="feet"), "z.nc")
    with pytest.raises(DataError, match="answer.zip, member 'z.nc': z has units 'feet'"):
        read_static_fields(path, BOTH)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="found a broken zip"):
        read_static_fields(path, BOTH)
    (tmp_path / "note.txt").write_text("nothing")
    assert read_static_fields(tmp_path / "note.txt", BOTH) == {}


def test_a_broken_netcdf_is_named(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "z.nc")
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match=r"z.nc: found a broken netCDF file"):
        read_static_fields(path, BOTH)


def test_files_of_other_things_may_have_any_axes() -> None:
    curved = xr.Dataset({"ice": (("y", "x"), LAND)}, coords={"latitude": (("y", "x"), LAND)})
    assert canonical_static(curved, BOTH, origin="ice.nc") == {}
