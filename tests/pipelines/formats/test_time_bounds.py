"""Bounds of time say of how many hours a netCDF field is the sum."""

import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.canonical import canonical

HOUR = np.timedelta64(1, "h")
HOURS = np.datetime64("2020-01-01T03", "ns") + np.arange(3) * 3 * HOUR


def made(length: int, *, end: np.ndarray = HOURS, name: str = "tp") -> xr.Dataset:
    bounds = np.stack([end - length * HOUR, end], axis=1)
    dataset = xr.Dataset(
        {
            name: (("time", "latitude", "longitude"), np.zeros((3, 3, 2)), {"units": "m"}),
            "time_bnds": (("time", "two"), bounds),
        },
        coords={"time": HOURS, "latitude": [20.0, 19.0, 18.0], "longitude": [70.0, 71.0]},
    )
    dataset["time"].attrs["bounds"] = "time_bnds"
    return dataset


def test_sums_of_an_hour_are_kept_and_those_of_three_are_no_precipitation_of_an_hour():
    assert list(canonical(made(1), origin="x").data_vars) == ["total_precipitation"]
    found = canonical(made(3), origin="x")
    assert list(found.data_vars) == ["total_precipitation_of_several_hours"]
    assert found["hours_summed_total_precipitation"].values.tolist() == [3, 3, 3]


def test_sums_at_the_start_of_their_interval_are_refused():
    with pytest.raises(
        DataError, match=r"x: found sums from 2020-01-01T03:00 to 2020-01-01T04:00 at "
        r"2020-01-01T03:00; expected them at the end"
    ):  # fmt: skip
        canonical(made(1, end=HOURS + HOUR), origin="x")


def test_a_file_without_usable_bounds_says_nothing():
    for dataset in (
        made(3).drop_vars("time_bnds"),
        made(3).assign(time_bnds=(("time", "two"), np.zeros((3, 2)))),
        made(3).assign(time_bnds=("time", HOURS)),
    ):
        assert list(canonical(dataset, origin="x").data_vars) == ["total_precipitation"]
