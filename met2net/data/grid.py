"""Latitude/longitude grids: checked axes, cell areas, named resolutions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Int64

__all__ = ["Grid", "cell_edges", "equiangular", "unbroken_longitudes"]

_TOLERANCE = 1e-4  # [degrees]; files store axes in float32


def cell_edges(centres: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n+1"]:
    """Give cell edges halfway between centres, mirrored at both ends [degrees]."""
    if len(centres) == 1:
        raise ValueError("an axis of one point has no cell edges; expected at least two points")
    middle = (centres[1:] + centres[:-1]) / 2
    first = centres[0] - (middle[0] - centres[0])
    last = centres[-1] + (centres[-1] - middle[-1])
    return np.concatenate([[first], middle, [last]])


@dataclass(frozen=True)
class Grid:
    """A rectilinear grid: latitude decreasing, longitude increasing.

    Attributes:
        latitude: centres [degrees_north].
        longitude: centres [degrees_east] within [0, 360); those of a region across the
            Greenwich meridian run on from below 0, as -10 to 10 (see `unbroken_longitudes`).

    Raises:
        ValueError: if an axis is not strictly monotonic in its direction, or out of range.
    """

    latitude: tuple[float, ...]
    longitude: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check both axes; keep plain floats, rounded to 1e-6 degrees."""
        object.__setattr__(self, "latitude", tuple(round(x, 6) for x in self.latitude))
        object.__setattr__(self, "longitude", tuple(round(x, 6) for x in self.longitude))
        # West of Greenwich counts from 360 down, unless the grid goes on east of it.
        is_across = bool(self.longitude) and self.longitude[0] < 0 <= self.longitude[-1]
        west, east = (-360.0, self.longitude[0] + 360.0) if is_across else (0.0, 360.0)
        for name, axis, sign, low, high in (
            ("latitude", self.latitude, -1, -90.0, 90.0),
            ("longitude", self.longitude, 1, west, east - _TOLERANCE),
        ):
            if len(axis) < 2:
                raise ValueError(f"{name} has {len(axis)} points; expected at least 2")
            direction = "decreasing" if sign < 0 else "increasing"
            if not np.all(sign * np.diff(axis) > 0):
                raise ValueError(f"{name} is not strictly {direction}: {_abridged(axis)}")
            if min(axis) < low or max(axis) > high:
                raise ValueError(f"{name} spans {min(axis)} to {max(axis)}; "
                                 f"expected within {low:g} to {high:g}")  # fmt: skip

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> "Grid":
        """Read the grid of a dataset with `latitude` and `longitude` coordinates.

        Raises:
            ValueError: if a coordinate is missing or the axes are not in house order.
        """
        for name in ("latitude", "longitude"):
            if name not in dataset.coords:
                found = ", ".join(map(str, dataset.coords)) or "none"
                raise ValueError(f"no coordinate {name!r}; found: {found}")
            if dataset[name].dims != (name,):
                raise ValueError(
                    f"{name} is a coordinate along {', '.join(map(str, dataset[name].dims))}; "
                    "expected an axis of a regular grid"
                )
        return cls(
            tuple(dataset["latitude"].values.tolist()), tuple(dataset["longitude"].values.tolist())
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of latitudes and of longitudes."""
        return len(self.latitude), len(self.longitude)

    @property
    def is_periodic(self) -> bool:
        """True where the longitudes close the circle."""
        step = np.diff(self.longitude)
        gap = 360.0 - self.longitude[-1] + self.longitude[0]
        return bool(np.allclose(step, step[0], atol=_TOLERANCE) and abs(gap - step[0]) < 1e-3)

    def area_weights(self) -> Float[np.ndarray, " lat"]:
        """Give the area weight of each latitude row, mean 1.

        A cell's area is proportional to the difference of the sines of its latitude
        edges, cut off at the poles. Source: WeatherBench 2, Rasp et al. 2024,
        arXiv:2308.15560, section 2.
        """
        edges = np.clip(cell_edges(np.asarray(self.latitude)), -90.0, 90.0)
        area: Float[np.ndarray, " lat"] = -np.diff(np.sin(np.deg2rad(edges)))
        return np.asarray(area / area.mean())

    def matches(self, other: "Grid") -> bool:
        """Tell whether both grids have the same points, within 1e-4 degrees."""
        return self.shape == other.shape and all(
            np.allclose(a, b, rtol=0, atol=_TOLERANCE)
            for a, b in ((self.latitude, other.latitude), (self.longitude, other.longitude))
        )

    def __str__(self) -> str:
        return (
            f"{self.shape[0]} x {self.shape[1]} points, latitude {_abridged(self.latitude)}, "
            f"longitude {_abridged(self.longitude)}"
        )


def _abridged(axis: Sequence[float]) -> str:
    """Write the ends of an axis, all of it when short."""
    if len(axis) <= 4:
        return ", ".join(f"{x:g}" for x in axis)
    return f"{axis[0]:g}, {axis[1]:g} ... {axis[-1]:g}"


def unbroken_longitudes(
    longitude: Float[np.ndarray, " n"],
) -> tuple[Int64[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Put longitudes, counted from anywhere, into a `Grid`'s order.

    Returns:
        The order, and the longitudes in it [degrees_east]: increasing within [0, 360), or from
        below 0 where the widest gap shows that the region lies across the Greenwich meridian.
    """
    east = np.asarray(longitude, dtype=np.float64) % 360.0
    order = np.argsort(east, kind="stable")
    east = east[order]
    gaps = np.diff(east)
    if len(gaps) == 0 or gaps.max() <= 360.0 - east[-1] + east[0] + _TOLERANCE:
        return order, east
    start = int(gaps.argmax()) + 1
    east[start:] -= 360.0
    return np.roll(order, -start), np.roll(east, -start)


def equiangular(step: float) -> Grid:
    """Build WeatherBench's global grid without poles, as 5.625 degrees = 32 x 64.

    Latitudes lie half a step from the poles, longitudes start at 0. Source: WeatherBench 2
    data guide (`equiangular_conservative`).

    Raises:
        ValueError: if the step does not divide 180 degrees.
    """
    count = 180.0 / step
    if step <= 0 or abs(count - round(count)) > 1e-9:
        raise ValueError(f"step of {step} degrees does not divide 180 degrees evenly")
    rows = round(count)
    latitude = 90.0 - step / 2 - step * np.arange(rows)
    return Grid(tuple(latitude.tolist()), tuple((step * np.arange(2 * rows)).tolist()))
