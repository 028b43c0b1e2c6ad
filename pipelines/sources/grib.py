"""Read GRIB files: an index of whole messages, and fields that are decoded when computed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import eccodes
import numpy as np
import xarray as xr

from met2net.variables import VARIABLES
from pipelines.errors import DataError

__all__ = ["read_grib"]

_BY_SHORT_NAME = {v.grib_short_name: v for v in VARIABLES}
_HOURS_A_CHUNK = 24
_MISSING = 1e30  # stands for absent points while a message is unpacked

# ecCodes is built with or without thread safety, and one cannot ask which.
_ECCODES = threading.Lock()


@dataclass(frozen=True)
class _Message:
    """One field of a known variable: what it is, and where it lies in the file."""

    short_name: str
    level: int  # [hPa]; 0 for surface variables
    time: np.datetime64
    expver: str
    centre: str
    offset: int
    size: int


def read_grib(path: Path) -> xr.Dataset:
    """Read the known variables of a GRIB file (edition 1 or 2, regular latitude/longitude).

    Returns:
        Dataset named by GRIB short names, dims `time[, level], latitude, longitude` as they
        lie in the file, Dask arrays of a day a chunk, `expver(time)`; not yet canonical.

    Raises:
        DataError: if a message is cut, bytes belong to no message, the grid is not regular or
            changes, or a field is there twice or is missing at an hour.
    """
    messages: list[_Message] = []
    units: dict[str, str] = {}  # by short name, whose definition fixes them
    grids: dict[tuple[float, ...], tuple[np.ndarray, np.ndarray]] = {}
    for handle in _whole_messages(path):
        message = _describe(handle, path)
        if message is not None:
            messages.append(message)
            if message.short_name not in units:
                units[message.short_name] = eccodes.codes_get_string(handle, "units")
            key = _grid_key(handle)
            if key not in grids:
                grids[key] = _axes(handle, path)
    if not messages:
        return xr.Dataset()
    if len(grids) > 1:
        shapes = ", ".join(f"{len(lat)} x {len(lon)}" for lat, lon in grids.values())
        raise DataError(f"{path}: found fields on {len(grids)} grids ({shapes}); expected one")
    latitude, longitude = next(iter(grids.values()))
    dataset = xr.Dataset(
        {
            name: _field([m for m in messages if m.short_name == name], path,
                         units=units[name], shape=(len(latitude), len(longitude)))
            for name in dict.fromkeys(m.short_name for m in messages)
        },
        coords={"latitude": latitude, "longitude": longitude},
        attrs={"GRIB_centre": messages[0].centre},
    )  # fmt: skip
    latest: dict[np.datetime64, str] = {}
    for message in messages:  # an hour is preliminary as soon as one of its fields is
        latest[message.time] = max(message.expver, latest.get(message.time, ""))
    expver = np.array([latest[t] for t in dataset["time"].values.astype("datetime64[m]")])
    return dataset.assign_coords(expver=("time", expver))


def _whole_messages(path: Path) -> Iterator[Any]:
    """Walk over all messages; they must be whole and fill the file from end to end."""
    size = path.stat().st_size
    count = end = 0
    with path.open("rb") as file:
        while True:
            try:
                with _ECCODES:
                    handle = eccodes.codes_grib_new_from_file(file)
            except eccodes.CodesInternalError as error:
                raise DataError(
                    f"{path}: found {count} whole GRIB messages and then a broken one "
                    f"({error}); expected whole messages to the end of the file"
                ) from error
            if handle is None:
                break
            try:
                start = eccodes.codes_get_message_offset(handle)
                if start != end:
                    raise DataError(
                        f"{path}: found {start - end} bytes after GRIB message {count} that "
                        "belong to no message; expected one message after the other"
                    )
                count, end = count + 1, start + eccodes.codes_get_message_size(handle)
                yield handle
            finally:
                eccodes.codes_release(handle)
    if end != size:
        raise DataError(
            f"{path}: found {count} whole GRIB messages that end at byte {end} of {size}; "
            "expected whole messages to the end of the file"
        )


def _describe(handle: Any, path: Path) -> _Message | None:
    """Read a message's keys; None for a variable or kind of level that is not in the table."""
    short_name = eccodes.codes_get_string(handle, "shortName")
    variable = _BY_SHORT_NAME.get(short_name)
    on_pressure = eccodes.codes_get_string(handle, "typeOfLevel") == "isobaricInhPa"
    if variable is None or on_pressure != (variable.level_kind == "pressure"):
        return None
    grid_type = eccodes.codes_get_string(handle, "gridType")
    if grid_type != "regular_ll":
        raise DataError(f"{path}: found {short_name} on a {grid_type} grid; expected regular_ll")
    date = f"{eccodes.codes_get_long(handle, 'validityDate'):08d}"
    clock = f"{eccodes.codes_get_long(handle, 'validityTime'):04d}"
    return _Message(
        short_name=short_name,
        level=eccodes.codes_get_long(handle, "level") if on_pressure else 0,
        time=np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:]}", "m"),
        expver=(
            eccodes.codes_get_string(handle, "expver")
            if eccodes.codes_is_defined(handle, "expver")
            else "0001"
        ),
        centre=eccodes.codes_get_string(handle, "centre"),
        offset=eccodes.codes_get_message_offset(handle),
        size=eccodes.codes_get_message_size(handle),
    )


_GRID_KEYS = (
    "Ni", "Nj", "iScansNegatively", "jScansPositively", "jPointsAreConsecutive",
    "latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees",
    "latitudeOfLastGridPointInDegrees", "longitudeOfLastGridPointInDegrees",
)  # fmt: skip


def _grid_key(handle: Any) -> tuple[float, ...]:
    """Give what tells one regular grid from another."""
    return tuple(eccodes.codes_get_double(handle, key) for key in _GRID_KEYS)


def _axes(handle: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read latitudes and longitudes [degrees] in the order of the values."""
    if eccodes.codes_get_long(handle, "jPointsAreConsecutive"):
        raise DataError(f"{path}: found values in columns; expected them in rows of latitude")
    shape = eccodes.codes_get_long(handle, "Nj"), eccodes.codes_get_long(handle, "Ni")
    latitude = eccodes.codes_get_array(handle, "latitudes").reshape(shape)[:, 0]
    longitude = eccodes.codes_get_array(handle, "longitudes").reshape(shape)[0, :]
    return latitude, longitude


def _field(
    messages: list[_Message], path: Path, *, units: str, shape: tuple[int, int]
) -> xr.DataArray:
    """Lay the messages of one variable out by time and level, unread."""
    name = messages[0].short_name
    times = sorted({m.time for m in messages})
    levels = sorted({m.level for m in messages})
    row = {time: i for i, time in enumerate(times)}
    column = {level: i for i, level in enumerate(levels)}
    place = np.full((len(times), len(levels), 2), -1, dtype=np.int64)  # offset, size
    for message in messages:
        at = row[message.time], column[message.level]
        if place[at][0] >= 0:
            raise DataError(f"{path}: found {name} twice at {_where(message.time, message.level)}")
        place[at] = message.offset, message.size
    absent = np.argwhere(place[..., 0] < 0)
    if len(absent):
        where = _where(times[absent[0][0]], levels[absent[0][1]])
        raise DataError(f"{path}: found no {name} at {where}; expected it at all hours and levels")
    places = da.from_array(place, chunks=(_HOURS_A_CHUNK, -1, -1))
    values = da.map_blocks(
        _unpack, places, path=str(path), shape=shape, dtype=np.float32,
        chunks=(places.chunks[0], places.chunks[1], (shape[0],), (shape[1],)),
        new_axis=[3],
        meta=np.empty((0, 0, 0, 0), dtype=np.float32),
    )  # fmt: skip
    field = xr.DataArray(
        values,
        dims=("time", "level", "latitude", "longitude"),
        coords={"time": np.array(times).astype("datetime64[ns]"), "level": levels},
        attrs={"units": units, "GRIB_shortName": name},
    )
    return field.isel(level=0, drop=True) if levels == [0] else field


def _where(time: np.datetime64, level: int) -> str:
    """Write an hour, and the level where there is one."""
    return f"{time}, {level} hPa" if level else str(time)


def _unpack(places: np.ndarray, *, path: str, shape: tuple[int, int]) -> np.ndarray:
    """Decode the messages at some places: (time, level, 2) -> (time, level, lat, lon)."""
    values = np.empty((*places.shape[:2], *shape), dtype=np.float32)
    with open(path, "rb") as file:
        for index in np.ndindex(*places.shape[:2]):
            offset, size = (int(x) for x in places[index])
            file.seek(offset)
            with _message(file.read(size)) as handle:
                eccodes.codes_set_double(handle, "missingValue", _MISSING)
                field = eccodes.codes_get_values(handle).reshape(shape)
                if eccodes.codes_get_long(handle, "bitmapPresent"):
                    field[field == _MISSING] = np.nan
                values[index] = field
    return values


@contextmanager
def _message(content: bytes) -> Iterator[Any]:
    """Hold one message in memory while its values are read."""
    with _ECCODES:
        handle = eccodes.codes_new_from_message(content)
        try:
            yield handle
        finally:
            eccodes.codes_release(handle)
