"""Holes in a grid's axes: rows or columns that are missing, as between tiles that do not touch."""

from collections.abc import Sequence

import numpy as np

from met2net.data.grid import Grid
from pipelines.errors import DataError

__all__ = ["refuse_gaps"]

# Steps of real grids grow slowly (Gaussian rows by 2 %, half cells at the poles by a third); where
# one point is missing they double.
_LARGEST_GROWTH = 1.6
_TOLERANCE = 1e-4  # [degrees]; files store axes in float32


def refuse_gaps(source: Grid, target: Grid, *, method: str | None) -> None:
    """Refuse a target grid that reaches into a hole of the source's.

    Args:
        source: axes that may have holes.
        target: the wanted points.
        method: how they are computed: of area means, whole cells must be clear of holes; None
            where points are only cut out.

    Raises:
        DataError: naming the axis and the points around the hole.
    """
    for name in ("latitude", "longitude"):
        points = np.sort(getattr(source, name))
        wanted = np.sort(getattr(target, name))
        if name == "longitude":  # in the source's turn
            centre = (points[0] + points[-1] - wanted[0] - wanted[-1]) / 2
            wanted = wanted + 360.0 * np.round(centre / 360.0)
        low, high = wanted[0], wanted[-1]
        if method == "conservative":
            low -= (wanted[1] - wanted[0]) / 2
            high += (wanted[-1] - wanted[-2]) / 2
        for start, end, step in _gaps(points):
            margin = step / 2 if method == "conservative" else 0.0  # of the cells at both sides
            if low < end - margin - _TOLERANCE and high > start + margin + _TOLERANCE:
                raise DataError(
                    f"the source has no points between {name} {start:g} and {end:g}, {step:g} "
                    "degrees apart elsewhere; expected no rows or columns missing inside the "
                    f"archive's grid, {wanted[0]:g} to {wanted[-1]:g}"
                )


def _gaps(points: Sequence[float] | np.ndarray) -> list[tuple[float, float, float]]:
    """Give start, end and the neighbouring step of each hole in an increasing axis."""
    steps = np.diff(points)
    if len(steps) < 2:
        return []
    before, after = np.r_[np.inf, steps[:-1]], np.r_[steps[1:], np.inf]
    nearest = np.minimum(before, after)
    return [
        (float(points[i]), float(points[i + 1]), float(nearest[i]))
        for i in np.flatnonzero(steps > _LARGEST_GROWTH * nearest).tolist()
    ]
