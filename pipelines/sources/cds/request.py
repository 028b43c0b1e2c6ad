"""One request to the Climate Data Store, and the hours and fields that it covers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from met2net.data.grid import unbroken_longitudes
from pipelines.fields.target_grids import GridSettings
from pipelines.fingerprint import fingerprint
from pipelines.period import Month

__all__ = ["STATIC_NAMES", "Area", "CdsRequest", "DataFormat", "area_for", "same_request"]

DataFormat = Literal["grib", "netcdf"]

_STEP = 0.25  # [degrees] spacing of ERA5 on the service

_DATASETS = {
    "surface": "reanalysis-era5-single-levels",
    "pressure": "reanalysis-era5-pressure-levels",
    "static": "reanalysis-era5-single-levels",
}

STATIC_NAMES = {"orography": "geopotential", "land_sea_mask": "land_sea_mask"}
"""Static field -> what the service calls it on single levels."""


@dataclass(frozen=True)
class Area:
    """A box on ERA5's own points: north, west, south, east [degrees], multiples of 0.25."""

    north: float
    west: float
    south: float
    east: float

    @property
    def latitude(self) -> np.ndarray:
        """Rows [degrees_north], decreasing."""
        return self.north - _STEP * np.arange(round((self.north - self.south) / _STEP) + 1)

    @property
    def longitude(self) -> np.ndarray:
        """Columns [degrees_east] as a grid counts them: below 0 only across Greenwich."""
        columns = self.west + _STEP * np.arange(round((self.east - self.west) / _STEP) + 1)
        return unbroken_longitudes(columns)[1]


def area_for(grid: GridSettings) -> Area | None:
    """Give the points that a target grid needs, rounded outward; None for the globe.

    The service shifts its grid to a corner that lies between ERA5's points, so the corners
    must be points. A coarser target needs the source below half a cell around its points. An
    area across longitude 0 begins below 0, as the service takes it; one that would begin west
    of -180 takes the whole circle.
    """
    edges = _edges(grid)
    if edges is None:
        return None
    north, west, south, east = edges
    west, east = _down(west), _up(east)
    if west < -180:
        west, east = west + 360.0, east + 360.0
    if east >= 360:
        west, east = west - 360.0, east - 360.0
    if east - west >= 360 - _STEP or west < -180:
        west, east = 0.0, 360.0 - _STEP
    return Area(min(90.0, _up(north)), west, max(-90.0, _down(south)), east)


def _edges(grid: GridSettings) -> tuple[float, float, float, float] | None:
    """Give what a target grid's cells cover: north, west, south, east [degrees]."""
    if grid.latitude is not None and grid.longitude is not None:
        rows, columns = grid.latitude, grid.longitude
        return (
            rows[0] + (rows[0] - rows[1]) / 2,
            columns[0] - (columns[1] - columns[0]) / 2,
            rows[-1] - (rows[-2] - rows[-1]) / 2,
            columns[-1] + (columns[-1] - columns[-2]) / 2,
        )
    if grid.box is None:
        return None
    margin = 0.0 if grid.resolution is None else float(grid.resolution) / 2
    box = grid.box
    east = box.east + (360.0 if box.east < box.west else 0.0)
    return box.north + margin, box.west - margin, box.south - margin, east + margin


def _up(value: float) -> float:
    return math.ceil(round(value / _STEP, 6)) * _STEP


def _down(value: float) -> float:
    return math.floor(round(value / _STEP, 6)) * _STEP


@dataclass(frozen=True)
class CdsRequest:
    """Part of a month: a block of days x hours of day x variables (x levels).

    Attributes:
        month: the calendar month.
        level_kind: `surface`, `pressure`, or `static` (fields on single levels that are the same
            at every hour); decides the dataset, and what a reply is held against.
        variables: CDS long names of one step type.
        levels: pressure levels [hPa], empty for surface variables.
        days: days of the month.
        hours: hours of day.
        area: box of points, or None for the globe.
        data_format: what the service is asked to send.
    """

    month: Month
    level_kind: Literal["surface", "pressure", "static"]
    variables: tuple[str, ...]
    levels: tuple[int, ...]
    days: tuple[int, ...]
    hours: tuple[int, ...]
    area: Area | None
    data_format: DataFormat

    @property
    def dataset(self) -> str:
        """The service's name of the data set."""
        return _DATASETS[self.level_kind]

    @property
    def key(self) -> str:
        """Name of this part of the month, the same in every run."""
        return f"{self.level_kind}_{self.variables[0]}_{fingerprint(self.body())[:8]}"

    @property
    def fields(self) -> dict[str, tuple[int, ...]]:
        """CDS long name -> levels [hPa]."""
        return dict.fromkeys(self.variables, self.levels)

    @property
    def times(self) -> np.ndarray:
        """All hours of the block in order, datetime64[h]."""
        days = self.month.first_hour + 24 * (np.array(self.days, dtype=np.int64) - 1)
        return (days[:, None] + np.array(self.hours, dtype=np.int64)).ravel()

    @property
    def num_fields(self) -> int:
        """Number of two-dimensional fields."""
        return len(self.days) * len(self.hours) * len(self.variables) * max(1, len(self.levels))

    def body(self, *, nocache: str | None = None) -> dict[str, Any]:
        """Write it as the service reads it.

        Args:
            nocache: any text makes the request one that the service has not answered yet.
        """
        body: dict[str, Any] = {
            "product_type": ["reanalysis"],
            "variable": list(self.variables),
            "year": [f"{self.month.year:04d}"],
            "month": [f"{self.month.number:02d}"],
            "day": [f"{day:02d}" for day in self.days],
            "time": [f"{hour:02d}:00" for hour in self.hours],
            "data_format": self.data_format,
            "download_format": "unarchived",
        }
        if self.levels:
            body["pressure_level"] = [str(level) for level in self.levels]
        if self.area is not None:
            body["area"] = [self.area.north, self.area.west, self.area.south, self.area.east]
        if nocache is not None:
            body["nocache"] = nocache
        return body

    def halves(self) -> "tuple[CdsRequest, CdsRequest] | None":
        """Cut it in two: by variables first, then levels, days, hours; None for one field.

        Variables come first because the service keeps a month of one variable together.
        """
        for name in ("variables", "levels", "days", "hours"):
            values = getattr(self, name)
            if len(values) > 1:
                middle = len(values) // 2
                first = replace(self, **{name: values[:middle]})
                return first, replace(self, **{name: values[middle:]})
        return None

    def __str__(self) -> str:
        levels = f" at {', '.join(map(str, self.levels))} hPa" if self.levels else ""
        return f"{', '.join(self.variables)}{levels}, {self.times[0]} to {self.times[-1]}"


def same_request(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Tell whether two requests ask for the same; order and scalars do not matter."""
    return _comparable(first) == _comparable(second)


def _comparable(body: Mapping[str, Any]) -> dict[str, list[str]]:
    plain = {}
    for name, value in body.items():
        values = list(value) if isinstance(value, list | tuple) else [value]
        # The corners of an area have an order; as numbers, 5 and 5.0 are the same.
        plain[name] = (
            [f"{float(v):g}" for v in values] if name == "area" else sorted(map(str, values))
        )
    return plain
