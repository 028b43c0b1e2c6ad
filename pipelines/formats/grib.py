"""Read GRIB files as fields that are decoded when they are computed."""

from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

from met2net.data.step_kind import hours_summed_name
from pipelines.errors import DataError
from pipelines.formats.chunks import hours_a_chunk
from pipelines.formats.grib_library import eccodes
from pipelines.formats.grib_messages import GribMessage, open_message, read_message, read_messages
from pipelines.formats.left_out import with_left_out
from pipelines.formats.levels import side_by_side

__all__ = ["message_axes", "read_grib"]

_FIRST_DATE, _LAST_DATE = np.datetime64("1678-01-01", "m"), np.datetime64("2261-12-31", "m")
_MISSING = 1e30  # stands for absent points while a message is unpacked


def read_grib(path: Path) -> xr.Dataset:
    """Read the known variables of a GRIB file (edition 1 or 2, regular latitude/longitude).

    Returns:
        Dataset named by GRIB short names, dims `time[, level], latitude, longitude` as they
        lie in the file, Dask arrays of a day of a level a chunk at most,
        `expver(time)`, and along time the hours that sums are of, where it is not one (see
        `met2net.data.step_kind`); not yet canonical. Fields of another kind than their
        variable are left out with the reason (see `pipelines.formats.left_out`).

    Raises:
        DataError: if a message is cut, bytes belong to no message, the grid is not regular or
            changes, or a field is there twice or is missing at an hour.
    """
    listed = read_messages(path)
    reasons = [message.field.other_kind for message in listed if message.field.other_kind]
    messages = [message for message in listed if not message.field.other_kind]
    if not messages:
        return with_left_out(xr.Dataset(), reasons)
    _check_dates(messages, path)
    first_on_grid: dict[tuple[float, ...], GribMessage] = {}
    by_name: dict[str, list[GribMessage]] = {}
    for message in messages:
        first_on_grid.setdefault(message.field.grid, message)
        by_name.setdefault(message.field.short_name, []).append(message)
    axes = [_axes(message, path) for message in first_on_grid.values()]
    if len(axes) > 1:
        shapes = ", ".join(f"{len(lat)} x {len(lon)}" for lat, lon in axes)
        raise DataError(f"{path}: found fields on {len(axes)} grids ({shapes}); expected one")
    latitude, longitude = axes[0]
    shape = len(latitude), len(longitude)
    fields = {name: _field(own, path, shape=shape) for name, own in by_name.items()}
    _check_same_hours(fields, path)
    dataset = side_by_side(fields).assign_coords(
        latitude=("latitude", latitude, {"units": "degrees_north"}),
        longitude=("longitude", longitude, {"units": "degrees_east"}),
    )
    dataset.attrs = {"GRIB_centre": messages[0].field.centre}
    latest: dict[np.datetime64, str] = {}
    for message in messages:  # an hour is preliminary as soon as one of its fields is
        latest[message.time] = max(message.field.expver, latest.get(message.time, ""))
    expver = np.array([latest[t] for t in dataset["time"].values.astype("datetime64[m]")])
    return with_left_out(dataset.assign_coords(expver=("time", expver)), reasons)


def _check_dates(messages: list[GribMessage], path: Path) -> None:
    """Refuse dates that nanoseconds since 1970 cannot hold: they would wrap around."""
    for time in (min(m.time for m in messages), max(m.time for m in messages)):
        if not _FIRST_DATE <= time <= _LAST_DATE:
            raise DataError(f"{path}: found a GRIB message of {time}; expected 1678 to 2261")


def _axes(message: GribMessage, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read latitudes and longitudes [degrees] of a message of a file."""
    with path.open("rb") as file:
        content = read_message(file, message.offset, message.size, message.number)
    return message_axes(content, path)


def message_axes(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read latitudes and longitudes [degrees] in the order of the values.

    Args:
        content: a message on a regular grid.
        path: its file, for messages.

    Raises:
        DataError: if values lie in columns, or rows in both directions.
    """
    with open_message(content, path) as handle:
        if eccodes.codes_get_long(handle, "jPointsAreConsecutive"):
            raise DataError(f"{path}: found values in columns; expected them in rows of latitude")
        if eccodes.codes_get_long(handle, "alternativeRowScanning"):
            raise DataError(
                f"{path}: found rows whose direction alternates; expected all in one direction"
            )
        shape = eccodes.codes_get_long(handle, "Nj"), eccodes.codes_get_long(handle, "Ni")
        latitude = eccodes.codes_get_array(handle, "latitudes").reshape(shape)[:, 0]
        longitude = eccodes.codes_get_array(handle, "longitudes").reshape(shape)[0, :]
    return latitude, longitude


def _field(messages: list[GribMessage], path: Path, *, shape: tuple[int, int]) -> xr.DataArray:
    """Lay the messages of one variable out by time and level, unread."""
    name, units = messages[0].field.short_name, messages[0].field.units
    times = sorted({m.time for m in messages})
    levels = sorted({m.field.level for m in messages})
    row = {time: i for i, time in enumerate(times)}
    column = {level: i for i, level in enumerate(levels)}
    place = np.full((len(times), len(levels), 3), -1, dtype=np.int64)  # offset, size, number
    for message in messages:
        at = row[message.time], column[message.field.level]
        if place[at][0] >= 0:
            where = _where(message.time, message.field.level)
            raise DataError(f"{path}: found {name} twice at {where}; expected it once")
        place[at] = message.offset, message.size, message.number
    absent = np.argwhere(place[..., 0] < 0)
    if len(absent):
        where = _where(times[absent[0][0]], levels[absent[0][1]])
        raise DataError(f"{path}: found no {name} at {where}; expected it at all hours and levels")
    places = da.from_array(place, chunks=(hours_a_chunk(shape[0] * shape[1]), 1, -1))
    values = da.map_blocks(
        _unpack, places, path=path, shape=shape, dtype=np.float32,
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
    hours = {message.time: message.field.hours_summed for message in messages}
    if not set(hours.values()) <= {0.0, 1.0}:
        summed = np.array([hours[time] for time in times])
        field = field.assign_coords({hours_summed_name(name): ("time", summed)})
    return field.isel(level=0, drop=True) if levels == [0] else field


def _check_same_hours(fields: dict[str, xr.DataArray], path: Path) -> None:
    """Refuse a field that is missing at an hour of another."""
    hours = np.unique(np.concatenate([field["time"].values for field in fields.values()]))
    for name, field in fields.items():
        absent = np.setdiff1d(hours, field["time"].values)
        if len(absent):
            raise DataError(
                f"{path}: found no {name} at {_where(absent[0].astype('datetime64[m]'), 0)}; "
                f"expected it at all {len(hours)} hours, as {', '.join(fields)}"
            )


def _where(time: np.datetime64, level: int) -> str:
    """Write an hour, and the level where there is one."""
    return f"{time}, {level} hPa" if level else str(time)


def _unpack(places: np.ndarray, *, path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Decode the messages at some places: (time, level, 3) -> (time, level, lat, lon)."""
    values = np.empty((*places.shape[:2], *shape), dtype=np.float32)
    with path.open("rb") as file:
        for index in np.ndindex(*places.shape[:2]):
            offset, size, number = (int(x) for x in places[index])
            with open_message(read_message(file, offset, size, number), path) as handle:
                eccodes.codes_set_double(handle, "missingValue", _MISSING)
                count = eccodes.codes_get_size(handle, "values")
                if count != shape[0] * shape[1]:
                    raise DataError(
                        f"{path}: found a GRIB message of {count} values; expected "
                        f"{shape[0]} x {shape[1]}"
                    )
                field = eccodes.codes_get_values(handle).reshape(shape)
                if eccodes.codes_get_long(handle, "bitmapPresent"):
                    field[field == _MISSING] = np.nan
                with np.errstate(over="ignore"):  # infinite then: whoever checks ranges sees it
                    values[index] = field
    return values
