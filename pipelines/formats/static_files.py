"""Static fields in files: the surface's `z`, `orography`, `lsm`, as GRIB, netCDF or zip.

`pipelines.formats.decode` gives weather, and leaves out what has no time or is on no level; this
gives just that.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.dataset_fields import DatasetFields
from met2net.data.static_fields import (
    ChangesWithTime,
    same_but_for_packing,
    static_array,
    static_candidates,
    static_variable,
)
from pipelines.errors import DataError
from pipelines.formats.file_array import OF_BROKEN_FILES, broken_file
from pipelines.formats.file_format import file_format
from pipelines.formats.grib import message_axes
from pipelines.formats.grib_library import eccodes
from pipelines.formats.grib_messages import open_message
from pipelines.formats.grib_places import message_places
from pipelines.formats.netcdf_file import open_netcdf
from pipelines.formats.zip_members import zip_members

__all__ = ["Moving", "canonical_static", "read_static_fields"]

_GRIB_NAMES = {"z": "orography", "orog": "orography", "lsm": "land_sea_mask"}
_MISSING = 1e30  # stands for absent points while a message is unpacked


class Moving(DataError):
    """A field of a file is called as a static one, and changes with time: it is something else."""


def read_static_fields(path: Path, names: Sequence[str]) -> dict[str, xr.DataArray]:
    """Read the static fields that a file has, of those wanted.

    Args:
        path: GRIB, netCDF or a zip of such files; any other file has none.
        names: of `met2net.data.static_fields`.

    Returns:
        See `met2net.data.static_fields.static_array`; axes in house order.

    Raises:
        Moving: if a field changes with time.
        DataError: if the file is broken, or a field says no usable units.
    """
    kind = file_format(path)
    if kind == "grib":
        return _read_grib(path, names)
    if kind == "netcdf":
        return _read_netcdf(path, names)
    return _read_zip(path, names) if kind == "zip" else {}


def canonical_static(
    dataset: xr.Dataset, names: Sequence[str], *, origin: str
) -> dict[str, xr.DataArray]:
    """Give the static fields of an opened Dataset; see `read_static_fields`.

    Raises:
        Moving: if one changes with time.
        DataError: if one says no usable units, or axes are none.
    """
    usual = {spelling for name in names for spelling in static_variable(name).names}
    if not usual & set(map(str, dataset.data_vars)):
        return {}
    try:
        housed = DatasetFields.of(dataset).dataset
        found = {name: static_candidates(housed, name) for name in names}
        return {name: static_array(housed[some[0]], name) for name, some in found.items() if some}
    except ChangesWithTime as error:
        raise Moving(f"{origin}: {error}") from error
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f"{origin}: {error}") from error


def _read_netcdf(path: Path, names: Sequence[str]) -> dict[str, xr.DataArray]:
    opened = open_netcdf(path)
    try:
        with opened as dataset:
            return canonical_static(dataset, names, origin=str(path))
    except OF_BROKEN_FILES as error:
        raise broken_file(error, path) from error


def _read_grib(path: Path, names: Sequence[str]) -> dict[str, xr.DataArray]:
    """Read the messages of static fields one by one; those of one field must be the same."""
    found: dict[str, xr.DataArray] = {}
    with path.open("rb") as file:
        for offset, size in message_places(path):
            file.seek(offset)
            message = file.read(size)
            name = _static_name(message, path)
            if name not in names:
                continue
            dataset = _message_field(message, path)
            later = canonical_static(dataset, [name], origin=str(path))
            if name in found:
                _check_same(found[name], later[name], path)
            found |= later
    return found


def _check_same(first: xr.DataArray, later: xr.DataArray, path: Path) -> None:
    """Refuse two messages of a field that differ."""
    axes = ("latitude", "longitude")
    if not all(np.array_equal(first[axis], later[axis]) for axis in axes):
        raise DataError(f"{path}: found {first.name} on two grids; expected one")
    if not same_but_for_packing(later.values, first.values, str(first.name)):
        largest = float(np.nanmax(np.abs(later.values - first.values)))
        raise Moving(
            f"{path}: {first.name} changes with time, by up to {largest:g} {first.attrs['units']}; "
            "expected the same at every time"
        )


def _static_name(message: bytes, path: Path) -> str:
    """Tell which static field a message is; nothing for all others."""
    with open_message(message, path) as handle:
        short_name = str(eccodes.codes_get_string(handle, "shortName"))
        level = eccodes.codes_get_string(handle, "typeOfLevel")
    return _GRIB_NAMES.get(short_name, "") if level == "surface" else ""


def _message_field(message: bytes, path: Path) -> xr.Dataset:
    """Decode one message."""
    with open_message(message, path) as handle:
        short_name = eccodes.codes_get_string(handle, "shortName")
        units = eccodes.codes_get_string(handle, "units")
        grid_type = eccodes.codes_get_string(handle, "gridType")
        if grid_type != "regular_ll":
            raise DataError(
                f"{path}: found {short_name} on a {grid_type} grid; expected regular_ll"
            )
        eccodes.codes_set_double(handle, "missingValue", _MISSING)
        values = eccodes.codes_get_values(handle)
    latitude, longitude = message_axes(message, path)
    shape = len(latitude), len(longitude)
    values = np.where(values == _MISSING, np.nan, values)
    return xr.Dataset(
        {short_name: (("latitude", "longitude"), values.reshape(shape), {"units": units})},
        coords={"latitude": latitude, "longitude": longitude},
    )


def _read_zip(path: Path, names: Sequence[str]) -> dict[str, xr.DataArray]:
    """Read the members one by one; the first that has a field gives it."""
    found: dict[str, xr.DataArray] = {}
    for origin, unpacked in zip_members(path):
        missing = [name for name in names if name not in found]
        if file_format(unpacked) == "zip":
            continue
        try:
            found |= read_static_fields(unpacked, missing)
        except DataError as error:
            raise type(error)(str(error).replace(str(unpacked), origin)) from error
    return found
