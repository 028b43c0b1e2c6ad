"""List the messages of a GRIB file: what each holds, and where it lies.

A month has thousands of messages of a few fields. In GRIB 1 all hours of a field share their
header but for the date, so ecCodes reads the keys of each field once, and only dates are read
of the rest.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from met2net.data.step_kind import hours_of_sum, other_kind
from met2net.data.variables import Variable, variable_of_grib
from pipelines.errors import DataError
from pipelines.formats.grib2_fields import num_fields, single_field
from pipelines.formats.grib_library import ECCODES, eccodes
from pipelines.formats.grib_places import message_places

__all__ = ["GribField", "GribMessage", "open_message", "read_message", "read_messages"]


_SHORTEST_HEADER = 28  # octets of section 1
_HAS_GRID = 0x80  # in octet 8 of GRIB 1's product section
_GRID_KEYS = (
    "Ni", "Nj", "iScansNegatively", "jScansPositively", "jPointsAreConsecutive",
    "latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees",
    "latitudeOfLastGridPointInDegrees", "longitudeOfLastGridPointInDegrees",
)  # fmt: skip


@dataclass(frozen=True)
class GribField:
    """What all hours of a field share.

    Attributes:
        short_name: GRIB short name of a known variable.
        level: [hPa]; 0 for surface variables.
        units: as ecCodes' definition of the short name has them.
        expver: experiment version.
        centre: originating centre.
        grid: what tells one regular grid from another.
        hours_summed: of how many hours it is the sum; 0 for what is no sum.
        other_kind: why it is not the variable that its name says (a maximum, the spread of an
            ensemble); empty where it is. Then nothing else counts, and the grid may be any.
    """

    short_name: str
    level: int
    units: str
    expver: str
    centre: str
    grid: tuple[float, ...]
    hours_summed: float = 0.0
    other_kind: str = ""


@dataclass(frozen=True)
class GribMessage:
    """One field at one time, and where it lies in the file.

    Attributes:
        field: what it shares with other hours.
        time: when it is valid.
        offset: where its message starts [bytes].
        size: of its message [bytes].
        number: which of the message's fields it is, from 0; -1 where it is the only one.
    """

    field: GribField
    time: np.datetime64
    offset: int
    size: int
    number: int = -1


def read_messages(path: Path) -> list[GribMessage]:
    """List the messages of known variables; all messages must be whole and fill the file.

    Raises:
        DataError: if a message is cut or unreadable, bytes belong to no message, or a known
            variable is not on a regular grid.
    """
    messages = []
    places = message_places(path)
    # Of a header without its date: the field, and how long after the date it is valid.
    known: dict[bytes, tuple[GribField, np.timedelta64] | None] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for offset, size in places:
            split = _split_header(content, offset)
            if split is None:
                messages += _each_field(content[offset : offset + size], path, offset)
                continue
            header, date = split
            if header not in known:
                described = _describe(content[offset : offset + size], path)
                known[header] = described and (described[0], described[1] - _time(date, path))
            if (shared := known[header]) is not None:
                field, delay = shared
                messages.append(GribMessage(field, _time(date, path) + delay, offset, size))
    return messages


def read_message(file: BinaryIO, offset: int, size: int, number: int) -> bytes:
    """Read one field as a message (see `GribMessage`)."""
    file.seek(offset)
    content = file.read(size)
    return content if number < 0 else single_field(content, number)


@contextmanager
def open_message(content: bytes, path: Path) -> Iterator[Any]:
    """Hold one message in ecCodes, alone; what it cannot read there is a `DataError`."""
    with ECCODES:
        try:
            handle = eccodes.codes_new_from_message(content)
            try:
                yield handle
            finally:
                eccodes.codes_release(handle)
        except eccodes.CodesInternalError as error:
            raise DataError(
                f"{path}: found a GRIB message that cannot be read ({error}); expected whole ones"
            ) from error


def _each_field(message: bytes, path: Path, offset: int) -> list[GribMessage]:
    """Describe all fields of a message."""
    count = num_fields(message)
    found = []
    for number in range(count) if count > 1 else (-1,):
        described = _describe(message if number < 0 else single_field(message, number), path)
        if described is not None:
            found.append(GribMessage(*described, offset, len(message), number))
    return found


def _split_header(content: mmap.mmap, offset: int) -> tuple[bytes, tuple[int, ...]] | None:
    """Take the date out of a GRIB 1 header; None for GRIB 2.

    Source: WMO Manual on Codes, FM 92-XI GRIB, section 1: octets 13 to 17 are year of the
    century, month, day, hour, minute; octet 25 is the century.
    """
    if content[offset + 7] != 1:  # the edition
        return None
    start = offset + 8
    end = start + int.from_bytes(content[start : start + 3], "big")
    if content[start + 7] & _HAS_GRID:
        end += int.from_bytes(content[end : end + 3], "big")
    header = content[start:end]
    if len(header) < _SHORTEST_HEADER:  # damaged: ecCodes says how
        return None
    date = ((header[24] - 1) * 100 + header[12], *header[13:17])
    return header[:12] + header[17:24] + header[25:], date


def _time(date: tuple[int, ...], path: Path) -> np.datetime64:
    """Give a GRIB 1 date as minutes."""
    return _moment("{:04d}-{:02d}-{:02d}T{:02d}:{:02d}".format(*date), path)


def _moment(text: str, path: Path) -> np.datetime64:
    """Read minutes."""
    try:
        return np.datetime64(text, "m")
    except ValueError as error:
        raise DataError(f"{path}: found a GRIB message of {text}; expected a date") from error


def _describe(message: bytes, path: Path) -> tuple[GribField, np.datetime64] | None:
    """Read field and valid time by ecCodes; None for what the table of variables lacks."""
    with open_message(message, path) as handle:
        short_name = eccodes.codes_get_string(handle, "shortName")
        variable = variable_of_grib(short_name)
        on_pressure = eccodes.codes_get_string(handle, "typeOfLevel") == "isobaricInhPa"
        if variable is None or on_pressure != (variable.level_kind == "pressure"):
            return None
        kind = _other_kind(handle, variable)
        grid_type = eccodes.codes_get_string(handle, "gridType")
        if grid_type != "regular_ll" and not kind:
            raise DataError(
                f"{path}: found {short_name} on a {grid_type} grid; expected regular_ll"
            )
        has_expver = eccodes.codes_is_defined(handle, "expver")
        field = GribField(
            short_name=short_name,
            level=eccodes.codes_get_long(handle, "level") if on_pressure else 0,
            units=eccodes.codes_get_string(handle, "units"),
            expver=eccodes.codes_get_string(handle, "expver") if has_expver else "0001",
            centre=eccodes.codes_get_string(handle, "centre"),
            grid=() if kind else tuple(eccodes.codes_get_double(handle, key) for key in _GRID_KEYS),
            hours_summed=_hours_summed(handle, variable),
            other_kind=kind,
        )
        date = f"{eccodes.codes_get_long(handle, 'validityDate'):08d}"
        clock = f"{eccodes.codes_get_long(handle, 'validityTime'):04d}"
    return field, _moment(f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:]}", path)


def _other_kind(handle: Any, variable: Variable) -> str:
    """Say why a message is not its variable, or nothing."""
    has_type = eccodes.codes_is_defined(handle, "dataType")
    has_number = eccodes.codes_is_defined(handle, "number")
    kind = other_kind(
        variable,
        step_type=eccodes.codes_get_string(handle, "stepType"),
        data_type=eccodes.codes_get_string(handle, "dataType") if has_type else None,
        member=eccodes.codes_get_long(handle, "number") if has_number else None,
        is_derived=bool(eccodes.codes_is_defined(handle, "derivedForecast")),
    )
    return "" if kind is None else f"{variable.grib_short_name} with {kind}"


def _hours_summed(handle: Any, variable: Variable) -> float:
    """Read of how many hours a message is the sum."""
    if variable.step_type != "accum":
        return 0.0
    return hours_of_sum(
        variable,
        step_type=eccodes.codes_get_string(handle, "stepType"),
        start=_step(handle, "startStep"),
        end=_step(handle, "endStep"),
        unit=eccodes.codes_get_string(handle, "stepUnits"),
    )


def _step(handle: Any, key: str) -> int:
    """Read a step; below an hour ecCodes writes its unit behind the number, as 30m."""
    return int(eccodes.codes_get_string(handle, key).rstrip("smhD"))
