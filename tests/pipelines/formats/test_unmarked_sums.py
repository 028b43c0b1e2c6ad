"""Sums hours apart in netCDF are precipitation of an hour only where something says so."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipelines.formats.decode import decode
from pipelines.formats.left_out import left_out

RAIN = {"units": "m", "long_name": "Total precipitation"}


def written(
    folder: Path, *, spacing: int, attrs: dict[str, str], bounds: int | None = None
) -> Path:
    """A file of eight fields of rain and of temperature."""
    hours = np.datetime64("2020-01-01T00", "ns") + np.arange(8) * np.timedelta64(spacing, "h")
    dims = ("time", "latitude", "longitude")
    dataset = xr.Dataset(
        {
            "tp": (dims, np.full((8, 3, 2), 1e-3, np.float32), RAIN | attrs),
            "t2m": (dims, np.full((8, 3, 2), 280.0, np.float32), {"units": "K"}),
        },
        coords={"time": hours, "latitude": [20.0, 19.0, 18.0], "longitude": [70.0, 71.0]},
    )
    if bounds is not None:
        ends = np.stack([hours - np.timedelta64(bounds, "h"), hours], axis=1)
        dataset["time_bnds"] = (("time", "two"), ends)
        dataset["time"].attrs["bounds"] = "time_bnds"
    dataset["time"].encoding["units"] = "hours since 2020-01-01"
    dataset.to_netcdf(folder / "rain.nc")
    return folder / "rain.nc"


@pytest.mark.parametrize("attrs", [{}, {"cell_methods": "time: sum"}])
@pytest.mark.parametrize("spacing", [3, 24])
def test_without_a_mark_they_are_left_out_and_the_rest_is_read(
    tmp_path: Path, spacing: int, attrs: dict[str, str]
) -> None:
    found = decode(written(tmp_path, spacing=spacing, attrs=attrs))
    assert list(found.data_vars) == ["2m_temperature"]
    assert left_out(found) == (
        f"tp every {spacing} h, and nothing says over how many hours each sums; expected bounds of "
        "time, or hourly fields",
    )


@pytest.mark.parametrize(
    ("spacing", "attrs", "bounds"),
    [(1, {}, None), (3, {"GRIB_stepType": "accum"}, None), (3, {}, 1)],
    ids=["hourly", "of GRIB", "bounds of an hour"],
)
def test_what_says_that_it_sums_an_hour_is_read(
    tmp_path: Path, spacing: int, attrs: dict[str, str], bounds: int | None
) -> None:
    found = decode(written(tmp_path, spacing=spacing, attrs=attrs, bounds=bounds))
    assert set(found.data_vars) == {"2m_temperature", "total_precipitation"}
    assert found["total_precipitation"].values == pytest.approx(1e-3)
    assert left_out(found) == ()


def test_bounds_of_three_hours_make_sums_of_three_hours(tmp_path: Path) -> None:
    found = decode(written(tmp_path, spacing=3, attrs={}, bounds=3))
    assert "total_precipitation_of_several_hours" in found and "total_precipitation" not in found
