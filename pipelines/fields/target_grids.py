"""The grid an archive is kept on: a region, a named resolution, or axes written out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from met2net.data.grid import Grid, equiangular
from pipelines.errors import DataError

__all__ = ["NAMED_RESOLUTIONS", "Box", "GridSettings", "block", "columns_of", "target_grid"]

_TOLERANCE = 1e-4  # [degrees]; files store axes in float32


def _era5_grid() -> Grid:
    """Give ERA5's own grid on the Climate Data Store: 721 x 1440 points, with both poles."""
    return Grid(tuple(90.0 - 0.25 * np.arange(721)), tuple(0.25 * np.arange(1440)))


NAMED_RESOLUTIONS: dict[str, Callable[[], Grid]] = {
    "5.625": lambda: equiangular(5.625),
    "2.8125": lambda: equiangular(2.8125),
    "1.40625": lambda: equiangular(1.40625),
    "0.25": _era5_grid,
}
"""Global grids by name: WeatherBench's 32 x 64, 64 x 128 and 128 x 256, cells centred between
the poles, and ERA5's own. Source: WeatherBench, Rasp et al. 2020, doi:10.1029/2020MS002203;
WeatherBench 2, Rasp et al. 2024, arXiv:2308.15560."""


@dataclass(frozen=True)
class Box:
    """A region by its outermost points [degrees], as the Climate Data Store's `area`.

    Attributes:
        north: northernmost latitude.
        west: westernmost longitude, -180 to 360.
        south: southernmost latitude.
        east: easternmost longitude, -180 to 360, east of `west`; a smaller number goes on across
            a seam, as 170 to -170 or 350 to 10, for at most half the circle.

    Raises:
        ValueError: if the box is empty or out of range.
    """

    north: float
    west: float
    south: float
    east: float

    def __post_init__(self) -> None:
        """Check order and range."""
        if not -90 <= self.south < self.north <= 90:
            raise ValueError(
                f"box spans latitude {self.south} to {self.north}; "
                "expected -90 <= south < north <= 90"
            )
        edges = (self.west, self.east)
        if not all(-180 <= edge <= 360 for edge in edges) or not (
            0 < self.east - self.west <= 360 or 0 < self._width <= 180
        ):
            raise ValueError(
                f"box spans longitude {self.west} to {self.east}; expected -180 to 360, west < "
                "east and at most 360 wide, or across a seam, as 350 to 10, at most 180 wide"
            )

    @property
    def _width(self) -> float:
        """From west to east [degrees]."""
        return self.east - self.west + (360.0 if self.east < self.west else 0.0)

    @property
    def _is_full_circle(self) -> bool:
        return self.east - self.west == 360

    @property
    def longitudes(self) -> tuple[float, float]:
        """West and east within 0 to 360; across the Greenwich meridian, from below 0."""
        if self._is_full_circle:
            return 0.0, 360.0
        west = self.west % 360.0
        if west + self._width > 360.0:
            west -= 360.0
        return west, west + self._width


@dataclass(frozen=True)
class GridSettings:
    """The grid an archive is kept on, and how fields come there.

    Attributes:
        box: region, or None for all that the source has.
        resolution: spacing of points [degrees] or its name, or None for the source's own. With
            a box, points start at its north and west; without, the grid is global: the one of
            that name in `NAMED_RESOLUTIONS`, for other spacings one without points on the
            poles (see `met2net.data.grid.equiangular`).
        latitude: all latitudes of the grid, decreasing [degrees_north]; with `longitude`, in
            place of box and resolution. Cells end halfway between points.
        longitude: all longitudes of the grid, increasing within [0, 360) [degrees_east].
        method: `conservative` (area means, first order) or `bilinear` (values between points,
            for fields that are smooth on the scale of the wanted grid).
        nan_threshold: share of a cell's weight that must have values, for variables that ERA5
            itself leaves out in places (sea surface); above 0, at most 1. Of all others, every
            point must have one.

    Raises:
        ValueError: if a value is out of range, a name is unknown, only one axis is given, or
            axes come with a box or a resolution.
    """

    box: Box | None = None
    resolution: float | str | None = None
    latitude: Sequence[float] | None = None
    longitude: Sequence[float] | None = None
    method: Literal["conservative", "bilinear"] = "conservative"
    nan_threshold: float = 0.5

    def __post_init__(self) -> None:
        """Check all; keep a named resolution as its number, axes as plain tuples."""
        if isinstance(self.resolution, str):
            if self.resolution not in NAMED_RESOLUTIONS:
                raise ValueError(
                    f"resolution is {self.resolution!r}; expected one of "
                    f"{', '.join(NAMED_RESOLUTIONS)}, or a number of degrees"
                )
            object.__setattr__(self, "resolution", float(self.resolution))
        if self.resolution is not None and float(self.resolution) <= 0:
            raise ValueError(f"resolution is {self.resolution} degrees; expected > 0")
        if self.method not in ("conservative", "bilinear"):
            raise ValueError(f"method is {self.method!r}; expected conservative or bilinear")
        if not 0 < self.nan_threshold <= 1:
            raise ValueError(f"nan_threshold is {self.nan_threshold}; expected above 0, at most 1")
        if (self.latitude is None) != (self.longitude is None):
            given = "longitude" if self.latitude is None else "latitude"
            raise ValueError(f"only {given} is given; expected both axes or none")
        if self.latitude is not None and self.longitude is not None:
            if self.box is not None or self.resolution is not None:
                raise ValueError("found axes together with box or resolution; expected one of them")
            grid = Grid(tuple(map(float, self.latitude)), tuple(map(float, self.longitude)))
            object.__setattr__(self, "latitude", grid.latitude)
            object.__setattr__(self, "longitude", grid.longitude)


def target_grid(source: Grid, settings: GridSettings) -> Grid:
    """Give the grid that a source ends up on.

    Raises:
        DataError: if the source does not hold the box.
        ValueError: if the resolution does not divide the globe.
    """
    if settings.latitude is not None and settings.longitude is not None:
        return Grid(tuple(settings.latitude), tuple(settings.longitude))
    if settings.resolution is None:
        return source if settings.box is None else _cropped(source, settings.box)
    step = float(settings.resolution)
    if settings.box is None:
        named = next(
            (grid for name, grid in NAMED_RESOLUTIONS.items() if float(name) == step), None
        )
        return equiangular(step) if named is None else named()
    box = settings.box
    west, east = box.longitudes
    latitude = box.north - step * np.arange(int((box.north - box.south) / step + 1 + 1e-6))
    longitude = west + step * np.arange(int((east - west) / step + 1 + 1e-6))
    return Grid(tuple(latitude), _in_order(longitude[longitude < 360 - _TOLERANCE]))


def block(source: tuple[float, ...], target: tuple[float, ...]) -> slice | None:
    """Find the target's points as one block of the source's, or None."""
    start = int(np.argmin(np.abs(np.asarray(source) - target[0])))
    found = source[start : start + len(target)]
    if len(found) == len(target) and np.allclose(found, target, rtol=0, atol=_TOLERANCE):
        return slice(start, start + len(target))
    return None


def columns_of(source: Grid, target: Grid) -> slice | np.ndarray | None:
    """Find the target's longitudes as one block of the source's, around the circle, or None.

    Returns:
        A slice where the points lie side by side in the source, else their places in it.
    """
    side_by_side = block(source.longitude, target.longitude)
    if side_by_side is not None:
        return side_by_side
    places = np.arange(len(source.longitude))
    longitude = np.asarray(source.longitude)
    if source.is_periodic:
        longitude, places = np.r_[longitude - 360.0, longitude], np.r_[places, places]
    for turn in (-360.0, 0.0, 360.0):
        found = block(tuple(longitude + turn), target.longitude)
        if found is not None:
            return places[found]
    return None


def _cropped(source: Grid, box: Box) -> Grid:
    """Keep the source's points inside a box; refuse a box that reaches past them."""
    west, east = box.longitudes
    latitude, longitude = np.asarray(source.latitude), np.asarray(source.longitude)
    step = float(np.median(np.diff(longitude))), float(-np.median(np.diff(latitude)))
    if source.is_periodic and west < 0:
        far = longitude > (west + east) / 2 + 180.0
        longitude = np.sort(np.where(far, longitude - 360.0, longitude))
    elif not source.is_periodic:  # counted as the box is, so that they overlap
        middle = (longitude[0] + longitude[-1]) / 2
        longitude = longitude + 360.0 * np.round(((west + east) / 2 - middle) / 360.0)
    # A box edge may fall between two points: the source must come within a step of it.
    reaches = (
        (
            longitude[0] < west + step[0] - _TOLERANCE
            and longitude[-1] > east - step[0] + _TOLERANCE
            or source.is_periodic
        )
        and latitude[0] > box.north - step[1] + _TOLERANCE
        and latitude[-1] < box.south + step[1] - _TOLERANCE
    )
    rows = (latitude >= box.south - _TOLERANCE) & (latitude <= box.north + _TOLERANCE)
    columns = (longitude >= west - _TOLERANCE) & (longitude <= east + _TOLERANCE)
    columns &= longitude < 360.0 - _TOLERANCE
    if not reaches or rows.sum() < 2 or columns.sum() < 2:
        raise DataError(
            f"the source has {source}; expected one that holds the box "
            f"{box.north:g} to {box.south:g} north, {west:g} to {east:g} east, "
            "with at least 2 x 2 points inside"
        )
    return Grid(tuple(latitude[rows]), _in_order(longitude[columns]))


def _in_order(longitude: np.ndarray) -> tuple[float, ...]:
    """Count longitudes as a `Grid` does: from below 0 only across the Greenwich meridian."""
    return tuple((longitude + 360.0 if longitude.max() < 0 else longitude).tolist())
