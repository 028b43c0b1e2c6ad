"""Values outside the range that a file gives for them have no value, as netCDF's library has it."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.valid_range import within_valid_range

VALUES = np.array([279.0, 280.0, 290.0, 300.0, 301.0])


def write(path: Path, values: np.ndarray, *, packed: bool = False, **attrs: object) -> Path:
    """Write values, maybe as integers of 0.5 K from 250 K on."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", len(values))
        made = file.createVariable("t2m", "i2" if packed else "f4", ("x",))
        made.set_auto_maskandscale(False)
        if packed:
            made.scale_factor, made.add_offset = 0.5, 250.0
            values = np.round((values - 250.0) / 0.5)
        for name, value in attrs.items():
            made.setncattr(name, np.asarray(value, made.dtype))
        made[:] = values
    return path


@pytest.mark.parametrize(
    ("packed", "attrs"),
    [
        (False, {"valid_range": [280.0, 300.0]}),
        (False, {"valid_min": 280.0}),
        (False, {"valid_max": 300.0}),
        (True, {"valid_range": [60, 100]}),  # 280 and 300 K
        (True, {"valid_min": 60, "valid_max": 100}),
    ],
)
def test_it_is_what_the_netcdf_library_reads(
    tmp_path: Path, packed: bool, attrs: dict[str, Any]
) -> None:
    path = write(tmp_path / "a.nc", VALUES, packed=packed, **attrs)
    with netCDF4.Dataset(path) as file:
        expected = np.ma.filled(file["t2m"][:].astype(float), np.nan)
    assert np.isnan(expected).any()
    with xr.open_dataset(path) as dataset:
        found = within_valid_range(dataset["t2m"], origin="a.nc")
        assert found.attrs == dataset["t2m"].attrs
    np.testing.assert_allclose(found.values, expected)


def test_without_a_range_nothing_changes() -> None:
    field = xr.DataArray(VALUES, dims="x", name="t2m", attrs={"units": "K"})
    assert within_valid_range(field, origin="a.nc") is field


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"valid_range": [1.0]}, "valid_range .* expected two numbers"),
        ({"valid_max": "300"}, "valid_max '300'; expected a number"),
    ],
)
def test_what_is_no_range_is_refused(attrs: dict[str, object], message: str) -> None:
    field = xr.DataArray(VALUES, dims="x", name="t2m", attrs=attrs)
    with pytest.raises(DataError, match=f"a.nc: found t2m with {message}"):
        within_valid_range(field, origin="a.nc")
