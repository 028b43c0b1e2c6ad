"""Conservative regridding of global fields against the package xarray-regrid."""

import time
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
import xarray_regrid  # noqa: F401  (adds `.regrid`)

from met2net.grid import equiangular
from pipelines.regrid import GridSettings, regrid
from tests.builders import make_month

pytestmark = pytest.mark.bench


def seconds(compute: Callable[[], xr.Dataset]) -> float:
    compute()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        compute()
        times.append(time.perf_counter() - start)
    return sorted(times)[2]


def test_regridding_to_5_625_degrees_is_no_slower_than_the_peer() -> None:
    hours = np.arange("2016-01-01T00", "2016-01-02T00", dtype="datetime64[h]")
    fields = {"2m_temperature": ()}
    month = make_month(hours, fields=fields, grid=equiangular(0.5)).chunk(time=24)
    month = month[list(fields)]
    target = equiangular(5.625)
    axes = xr.Dataset(
        coords={"latitude": list(target.latitude), "longitude": list(target.longitude)}
    )
    ours = seconds(lambda: regrid(month, GridSettings(resolution=5.625)).compute())
    peer = seconds(lambda: month.regrid.conservative(axes, latitude_coord="latitude").compute())
    print(f"\nregrid 360 x 720 -> 32 x 64, 24 hours: xarray-regrid / ours = {peer / ours:.2f}")
    assert peer / ours > 1.0
