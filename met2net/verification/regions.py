"""Regions: the points that a score is taken over, and their weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from met2net.data.grid import Grid

__all__ = ["Region", "box", "everywhere", "land_and_sea", "point_weights"]

_LAND = 0.5  # fraction of land from which a point counts as land; ECMWF's convention


@dataclass(frozen=True, eq=False)
class Region:
    """Named points of a grid.

    Attributes:
        name: as scores call it.
        mask: True for its points.

    Raises:
        ValueError: if no point is in it.
    """

    name: str
    mask: Bool[np.ndarray, "h w"]

    def __post_init__(self) -> None:
        """Refuse a region without points."""
        if not self.mask.any():
            raise ValueError(f"region {self.name} has no point of the grid; expected at least one")


def everywhere(grid: Grid) -> Region:
    """Give the region of all points."""
    return Region("all", np.ones(grid.shape, dtype=bool))


def box(name: str, grid: Grid, *, south: float, north: float, west: float, east: float) -> Region:
    """Give the points within a box, edges included [degrees].

    `west` and `east` are in [-180, 360]; a box may cross the meridian where longitudes begin
    anew: 350 to 10 is 20 degrees wide. Two equal edges, or 0 to 360, are the whole circle.

    Raises:
        ValueError: if the edges are out of range or order, or no point is inside.
    """
    if not -90 <= south < north <= 90:
        raise ValueError(
            f"region {name} goes from {south} to {north} degrees north; expected two latitudes, "
            "south before north"
        )
    for edge in (west, east):
        if not -180 <= edge <= 360:
            raise ValueError(
                f"region {name} has an edge at {edge} degrees east; expected -180 to 360"
            )
    latitude, longitude = np.asarray(grid.latitude), np.asarray(grid.longitude)
    rows = (south <= latitude) & (latitude <= north)
    width = (east - west) % 360 or 360.0
    columns = (longitude - west) % 360 <= width
    return Region(name, rows[:, None] & columns)


def land_and_sea(land_fraction: Float[np.ndarray, "h w"]) -> tuple[Region, ...]:
    """Give the regions `land` (fraction of 0.5 or more) and `sea`; one that is empty is left out.

    Raises:
        ValueError: if a fraction is not within 0 to 1.
    """
    if not ((land_fraction >= 0) & (land_fraction <= 1)).all():
        raise ValueError("land fractions are not all within 0 to 1; expected a land-sea mask")
    is_land = land_fraction >= _LAND
    named = (("land", is_land), ("sea", ~is_land))
    return tuple(Region(name, mask) for name, mask in named if mask.any())


def point_weights(
    grid: Grid, regions: Sequence[Region]
) -> Float64[np.ndarray, "region weighting h w"]:
    """Give the weights of all points by region: by area and plain, of mean 1 in the region.

    Raises:
        ValueError: if two regions share a name, or a mask is not of the grid's shape.
    """
    names = [region.name for region in regions]
    if len(set(names)) < len(names):
        raise ValueError(f"found regions {', '.join(names)}; expected every name once")
    area = np.broadcast_to(grid.area_weights()[:, None], grid.shape)
    weights = np.zeros((len(regions), 2, *grid.shape))
    for index, region in enumerate(regions):
        if region.mask.shape != grid.shape:
            raise ValueError(
                f"region {region.name} has shape {region.mask.shape}; expected {grid.shape}"
            )
        weights[index, 0, region.mask] = area[region.mask] / area[region.mask].mean()
        weights[index, 1, region.mask] = 1.0
    return weights
