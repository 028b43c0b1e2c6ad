"""Decode a file of ERA5 fields by its content: GRIB, netCDF, or a zip of such files."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.canonical import canonical
from pipelines.formats.chunks import hours_a_chunk
from pipelines.formats.file_array import OF_BROKEN_FILES, broken_file, lazily
from pipelines.formats.file_format import file_format
from pipelines.formats.file_names import with_house_names
from pipelines.formats.grib import read_grib
from pipelines.formats.left_out import left_out, with_left_out
from pipelines.formats.levels import side_by_side, stacked
from pipelines.formats.netcdf_file import open_netcdf
from pipelines.formats.times import TIME_NAMES
from pipelines.formats.unmarked_sums import without_unmarked_sums
from pipelines.formats.web_page import web_page
from pipelines.formats.zip_members import ZIP_LIMIT, zip_members

__all__ = ["decode"]

_LEVELS = ("level", "pressure_level", "isobaricInhPa", "plev")


def decode(
    path: Path, *, names: Mapping[str, str] | None = None, zip_limit: int = ZIP_LIMIT
) -> xr.Dataset:
    """Read a file in house form (see `canonical`), lazily; a zip is read into memory.

    The format is told by the first bytes, never by the name. Nothing is written beside the
    file. A file without known variables gives a dataset without variables.

    Args:
        path: the file.
        names: what variables are called in netCDF files (see `pipelines.formats.file_names`).
        zip_limit: largest unpacked size of a zip [bytes].

    Raises:
        DataError: if the file is none of the formats, is cut or broken, or its fields are not
            as ERA5 has them; the message names the file, what was found and what is expected.
    """
    kind = file_format(path)
    if kind == "grib":
        return canonical(read_grib(path), origin=str(path))
    if kind == "netcdf":
        return _canonical_netcdf(_read_netcdf(path), names or {}, str(path))
    if kind == "zip":
        return _read_zip(path, names or {}, zip_limit)
    with path.open("rb") as file:
        start = file.read(1024)
    found = web_page(start) or (
        f"a file that starts with {start[:8]!r}" if start else "an empty file"
    )
    raise DataError(f"{path}: found {found}; expected GRIB, netCDF or zip")


def _read_netcdf(path: Path) -> xr.Dataset:
    """Open a netCDF file in chunks of a day of a level at most."""
    dataset = open_netcdf(path)
    try:
        dataset = dataset.assign_coords({name: c.load() for name, c in dataset.coords.items()})
    except OF_BROKEN_FILES as error:
        raise broken_file(error, path) from error
    points = math.prod(n for dim, n in dataset.sizes.items() if dim not in (*TIME_NAMES, *_LEVELS))
    chunks = dict.fromkeys(TIME_NAMES, hours_a_chunk(points)) | dict.fromkeys(_LEVELS, 1)
    return lazily(dataset, path, chunks=chunks)


def _canonical_netcdf(raw: xr.Dataset, names: Mapping[str, str], origin: str) -> xr.Dataset:
    """Bring an opened netCDF file into house form."""
    named = with_house_names(raw, names, origin=origin)
    return canonical(without_unmarked_sums(named, origin=origin), origin=origin)


def _read_zip(path: Path, names: Mapping[str, str], limit: int) -> xr.Dataset:
    """Read and merge the members of a zip, each told by its own content."""
    parts = [
        _read_member(unpacked, names, origin) for origin, unpacked in zip_members(path, limit=limit)
    ]
    reasons = [reason for part in parts for reason in left_out(part)]
    parts = [part for part in parts if part.data_vars]
    return with_left_out(_merge(parts, path) if parts else xr.Dataset(), reasons)


def _read_member(path: Path, names: Mapping[str, str], origin: str) -> xr.Dataset:
    """Read one unpacked file into memory; other files than data (a licence) give nothing."""
    kind = file_format(path)
    if kind not in ("grib", "netcdf"):
        return xr.Dataset()
    try:
        if kind == "grib":
            return canonical(read_grib(path), origin=origin).load()
        with _read_netcdf(path) as raw:
            return _canonical_netcdf(raw, names, origin).load()
    except DataError as error:
        raise DataError(str(error).replace(str(path), origin)) from error


def _merge(parts: list[xr.Dataset], path: Path) -> xr.Dataset:
    """Put variables of several members side by side; an hour is as preliminary as its worst."""
    expver = parts[0]["expver"]
    try:
        for part in parts[1:]:
            xr.align(parts[0]["expver"], part["expver"], join="exact")
            later = part["expver"].values > expver.values
            expver = expver.copy(data=np.where(later, part["expver"].values, expver.values))
        pieces: dict[str, list[xr.DataArray]] = {}
        for part in parts:
            for name, field in part.drop_vars("expver").data_vars.items():
                pieces.setdefault(str(name), []).append(field)
        merged = side_by_side({name: stacked(fields) for name, fields in pieces.items()})
    except ValueError as error:
        raise DataError(f"{path}: members do not fit together ({error}); expected the same "
                        "hours and points in all, and each variable once") from error  # fmt: skip
    return merged.assign_attrs(parts[0].attrs).assign_coords(expver=expver.variable)
