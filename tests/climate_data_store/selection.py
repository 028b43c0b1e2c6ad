"""What a request selects: variables, levels, hours and points; and what it costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tests.climate_data_store.error_replies import ErrorReply
from tests.climate_data_store.fields import ARCHIVED, STATIC

__all__ = ["DATASETS", "LEVELS", "Selection", "as_list", "months_of", "request_cost", "select"]

DATASETS = {
    "reanalysis-era5-single-levels": "surface",
    "reanalysis-era5-pressure-levels": "pressure",
}
LEVELS = (
    1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 450, 500,
    550, 600, 650, 700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000,
)  # fmt: skip
_REPEATABLE = ("area", "grid")  # all other keys must not name a value twice
_ALL_DAY = tuple(f"{hour:02d}:00" for hour in range(24))


@dataclass(frozen=True)
class Selection:
    """The part of the archive that a request asks for.

    Attributes:
        variables: CDS long names.
        levels: [hPa]; empty on single levels.
        hours: datetime64[h], increasing.
        latitude: [degrees_north], decreasing.
        longitude: [degrees_east], increasing; below 0 as requested.
        data_format: `grib` or `netcdf`.
    """

    variables: tuple[str, ...]
    levels: tuple[int, ...]
    hours: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    data_format: Literal["grib", "netcdf"]


def as_list(value: Any) -> list[str]:
    """Give a request's value as a list of strings: scalars stand for one."""
    values = value if isinstance(value, list | tuple) else [value]
    return [str(x) for x in values]


def select(dataset: str, request: Mapping[str, Any], *, resolution: float) -> Selection:
    """Read a request.

    Raises:
        ErrorReply: 400, if values are unknown, double or missing.
    """
    for key, value in request.items():
        values = as_list(value)
        if key not in _REPEATABLE and len(set(values)) < len(values):
            raise _invalid(f"{key}: duplicate values are not allowed, got {values}")
    kind = DATASETS[dataset]
    known = {v.name for v in ARCHIVED if v.level_kind == kind}
    known |= STATIC.keys() if kind == "surface" else set()
    variables = _required(request, "variable")
    for name in variables:
        if name not in known:
            raise _invalid(f"invalid value for variable: {name!r}")
    levels: list[int] = []
    if kind == "pressure":
        try:
            levels = [int(x) for x in _required(request, "pressure_level")]
        except ValueError as error:
            raise _invalid(f"invalid value for pressure_level: {error}") from error
        if not set(levels) <= set(LEVELS):
            raise _invalid(f"invalid value for pressure_level: {levels}")
    data_format = str(request.get("data_format", request.get("format", "grib")))
    if data_format not in ("grib", "netcdf"):
        raise _invalid(f"invalid value for data_format: {data_format!r}")
    latitude, longitude = _points(request, resolution)
    return Selection(
        variables=tuple(variables),
        levels=tuple(levels),
        hours=_hours(request),
        latitude=latitude,
        longitude=longitude,
        data_format=data_format,  # type: ignore[arg-type]
    )


def request_cost(request: Mapping[str, Any], weights: Mapping[str, float]) -> float:
    """Count the selected values of all keys but `area`, times the format's weight."""
    counts = [len(as_list(value)) for key, value in request.items() if key not in ("area", "date")]
    if "date" in request:
        counts.append(len(_days(request)))
    data_format = str(request.get("data_format", request.get("format", "grib")))
    return float(math.prod(counts) * weights.get(data_format, 1))


def months_of(request: Mapping[str, Any]) -> set[str]:
    """Give the calendar months of a request as `2020-02`; empty if it names none."""
    try:
        return {str(day.astype("datetime64[M]")) for day in _days(request)}
    except ErrorReply:
        return set()


def _hours(request: Mapping[str, Any]) -> np.ndarray:
    """List the requested hours, increasing."""
    times = as_list(request.get("time", list(_ALL_DAY)))
    try:
        of_day = sorted(int(text.split(":")[0]) for text in times)
    except ValueError as error:
        raise _invalid(f"invalid value for time: {times}") from error
    if not all(0 <= hour < 24 for hour in of_day):
        raise _invalid(f"invalid value for time: {times}")
    days = np.array(_days(request), dtype="datetime64[h]")
    return np.sort((days[:, None] + np.array(of_day, dtype="timedelta64[h]")).ravel())


def _days(request: Mapping[str, Any]) -> list[np.datetime64]:
    """List the requested days; those that a month does not have (31 February) are left out."""
    try:
        if "date" in request:
            first, _, last = as_list(request["date"])[0].partition("/")
            days = np.arange(np.datetime64(first, "D"), np.datetime64(last or first, "D") + 1)
            return list(days)
        found = []
        for year in _required(request, "year"):
            for month in _required(request, "month"):
                start = np.datetime64(f"{int(year):04d}-{int(month):02d}", "M")
                for text in _required(request, "day"):
                    if not 1 <= int(text) <= 31:
                        raise ValueError(f"day {text}")
                    day = start.astype("datetime64[D]") + (int(text) - 1)
                    if day.astype("datetime64[M]") == start:
                        found.append(day)
    except ValueError as error:
        raise _invalid(f"invalid date: {error}") from error
    if not found:
        raise _invalid("the request selects no day that exists")
    return found


def _points(request: Mapping[str, Any], resolution: float) -> tuple[np.ndarray, np.ndarray]:
    """Give latitudes and longitudes; a box starts at the north and west that it names."""
    if "grid" in request:
        resolution = float(as_list(request["grid"])[0].split("/")[0])
    if "area" not in request:
        rows = round(180 / resolution) + 1
        return 90.0 - resolution * np.arange(rows), resolution * np.arange(round(360 / resolution))
    try:
        north, west, south, east = (float(x) for x in as_list(request["area"]))
    except ValueError as error:
        raise _invalid(f"invalid value for area: {request['area']}") from error
    if not -90 <= south <= north <= 90:
        raise _invalid(f"invalid value for area: {request['area']}")
    width = east - west if east >= west else east - west + 360.0
    columns = min(math.floor(width / resolution + 1e-6) + 1, round(360 / resolution))
    rows = math.floor((north - south) / resolution + 1e-6) + 1
    return north - resolution * np.arange(rows), west + resolution * np.arange(columns)


def _required(request: Mapping[str, Any], key: str) -> list[str]:
    if key not in request or not as_list(request[key]):
        raise _invalid(f"missing mandatory key: {key}")
    return as_list(request[key])


def _invalid(detail: str) -> ErrorReply:
    return ErrorReply(400, "invalid request", detail)
