"""Weights that bring fields from one rectilinear grid to another, one matrix an axis.

First-order conservative: on a rectilinear grid the overlap of two cells factorises into an
overlap in the sine of latitude and one in longitude. Source: Jones 1999,
doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2, first order. Bilinear interpolation is the
product of a linear one along each axis by its nature.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from met2net.data.grid import Grid, cell_edges
from pipelines.errors import DataError

__all__ = ["METHODS", "RegridWeights", "bilinear", "conservative"]

_TOLERANCE = 1e-4  # [degrees]; files store axes in float32
_COVERAGE_TOLERANCE = 1e-6  # of a cell


@dataclass(frozen=True)
class RegridWeights:
    """What each source row adds to a target row, and each column to a column.

    Attributes:
        latitude: (target rows, source rows), rows sum to 1.
        longitude: (target columns, source columns), rows sum to 1.
    """

    latitude: sparse.csr_array
    longitude: sparse.csr_array

    @property
    def shape(self) -> tuple[int, int]:
        """Number of target latitudes and longitudes."""
        return self.latitude.shape[0], self.longitude.shape[0]

    def apply(self, field: np.ndarray, *, min_valid: float) -> np.ndarray:
        """Bring one field to the target grid, summed in float64.

        Missing points count for nothing: the rest is divided by the weight that has values.

        Args:
            field: (source rows, source columns).
            min_valid: share of the weight that must have values; cells with less become NaN.
        """
        origin = field[0, 0]
        # Taking one value away before and adding it after keeps a constant field exact, however
        # the weights were rounded. A missing point shows in the result: looking for it there
        # saves reading the whole field twice.
        with np.errstate(invalid="ignore"):  # infinity stands for a missing value, too
            result = self._sum(np.asarray(field, dtype=np.float64) - np.float64(origin))
        if np.isfinite(result).all():
            return np.asarray(result + origin)
        valid = np.isfinite(field)
        if not valid.any():
            return np.full(self.shape, np.nan)
        origin = field.flat[np.argmax(valid)]
        filled = np.where(valid, field, origin).astype(np.float64)
        total = self._sum(filled - np.float64(origin))
        part = self._sum(valid.astype(np.float64))
        enough = part >= min_valid - _COVERAGE_TOLERANCE
        mean = np.divide(total, part, out=np.full_like(total, np.nan), where=enough)
        return np.asarray(mean + origin)

    def _sum(self, field: np.ndarray) -> np.ndarray:
        total: np.ndarray = (self.longitude @ (self.latitude @ field).T).T
        return total


def conservative(source: Grid, target: Grid) -> RegridWeights:
    """Give area means: each source cell by its share of the target cell's area.

    Raises:
        DataError: if a target cell reaches beyond the source, or the source is coarser.
    """
    for name in ("latitude", "longitude"):
        found, wanted = (np.abs(np.diff(getattr(g, name))).min() for g in (source, target))
        if wanted < found - _TOLERANCE:
            raise DataError(
                f"the source's points lie {found:g} degrees apart in {name}; "
                f"expected at most the archive's {wanted:g}"
            )
    return RegridWeights(
        _latitude_overlaps(_latitude_edges(source), _latitude_edges(target)),
        _longitude_overlaps(_longitude_edges(source), _longitude_edges(target)),
    )


def bilinear(source: Grid, target: Grid) -> RegridWeights:
    """Give values between the four points around each target point.

    Longitude closes the circle where the source does. Between a global source's last row and
    the pole, the last row's values go on unchanged: an average around the pole would serve
    scalars, but wipe out wind components.

    Raises:
        DataError: if a target point lies beyond the source's.
    """
    latitude, longitude = np.asarray(source.latitude), np.asarray(source.longitude)
    wanted = np.asarray(target.latitude)
    if source.is_periodic:
        edges = _latitude_edges(source)
        reached = (wanted <= edges[0] + _TOLERANCE) & (wanted >= edges[-1] - _TOLERANCE)
        wanted = np.where(reached, np.clip(wanted, latitude[-1], latitude[0]), wanted)
        circle = np.concatenate([[longitude[-1] - 360.0], longitude, [longitude[0] + 360.0]])
        columns = np.concatenate([[len(longitude) - 1], np.arange(len(longitude)), [0]])
    else:
        circle, columns = longitude, np.arange(len(longitude))
    return RegridWeights(
        # Interpolation wants an increasing axis.
        _between(latitude[::-1], wanted, np.arange(len(latitude))[::-1], name="latitude"),
        _between(circle, _turned(target, circle), columns, name="longitude"),
    )


def _turned(target: Grid, points: np.ndarray) -> np.ndarray:
    """Count the target's longitudes so that they lie among increasing points, where they can."""
    wanted = np.asarray(target.longitude)
    west = wanted < points[0] - _TOLERANCE
    east = wanted > points[-1] + _TOLERANCE
    return np.where(west, wanted + 360.0, np.where(east, wanted - 360.0, wanted))


METHODS: dict[str, Callable[[Grid, Grid], RegridWeights]] = {
    "conservative": conservative,
    "bilinear": bilinear,
}


def _between(
    points: np.ndarray, wanted: np.ndarray, columns: np.ndarray, *, name: str
) -> sparse.csr_array:
    """Interpolate linearly between increasing points, which lie in the given columns."""
    outside = (wanted < points[0] - _TOLERANCE) | (wanted > points[-1] + _TOLERANCE)
    if outside.any():
        raise DataError(
            f"the source's points reach from {name} {points[0]:g} to {points[-1]:g}; expected "
            f"them to enclose the archive's, {wanted.min():g} to {wanted.max():g}"
        )
    right = np.clip(np.searchsorted(points, wanted), 1, len(points) - 1)
    share = (wanted - points[right - 1]) / (points[right] - points[right - 1])
    share = np.clip(share, 0.0, 1.0)
    rows = np.arange(len(wanted))
    weights = sparse.coo_array(
        (
            np.concatenate([1.0 - share, share]),
            (np.tile(rows, 2), np.concatenate([columns[right - 1], columns[right]])),
        ),
        shape=(len(wanted), columns.max() + 1),
    ).tocsr()
    weights.eliminate_zeros()  # a missing neighbour of no weight must not spread
    return weights


def _latitude_overlaps(source: np.ndarray, target: np.ndarray) -> sparse.csr_array:
    """Give the part of each source row in each target row, from edges, north to south.

    Area between two latitudes is proportional to the difference of their sines.
    """
    upper, high = (np.sin(np.deg2rad(edges[:-1])) for edges in (source, target))
    lower, low = (np.sin(np.deg2rad(edges[1:])) for edges in (source, target))
    overlap = np.minimum(high[:, None], upper) - np.maximum(low[:, None], lower)
    return _normalized(
        np.maximum(overlap, 0.0), high - low, name="latitude", source=source[::-1],
        target=target[::-1],
    )  # fmt: skip


def _longitude_overlaps(source: np.ndarray, target: np.ndarray) -> sparse.csr_array:
    """Give the part of each source column in each target column, from edges, around the circle."""
    west, east = target[:-1, None], target[1:, None]
    overlap = np.zeros((len(target) - 1, len(source) - 1))
    for turn in (-360.0, 0.0, 360.0):
        part = np.minimum(east, source[1:] + turn) - np.maximum(west, source[:-1] + turn)
        overlap += np.maximum(part, 0.0)
    return _normalized(overlap, np.diff(target), name="longitude", source=source, target=target)


def _normalized(
    overlap: np.ndarray, size: np.ndarray, *, name: str, source: np.ndarray, target: np.ndarray
) -> sparse.csr_array:
    """Divide rows by their sums; refuse rows that the source does not fill."""
    total = overlap.sum(axis=1)
    if np.any(total < size * (1 - _COVERAGE_TOLERANCE)):
        raise DataError(
            f"the source's cells reach from {name} {source[0]:g} to {source[-1]:g}; expected them "
            f"to cover the archive's cells, {target[0]:g} to {target[-1]:g}"
        )
    return sparse.csr_array(overlap / total[:, None])


def _longitude_edges(grid: Grid) -> np.ndarray:
    edges: np.ndarray = cell_edges(np.asarray(grid.longitude))
    return edges


def _latitude_edges(grid: Grid) -> np.ndarray:
    """Give edges of rows, north to south [degrees], cut off at the poles.

    Rows of a global Gaussian grid are unevenly spaced and nearly, not quite, mirror onto
    the poles; its outer rows are taken to reach them.
    """
    edges = cell_edges(np.asarray(grid.latitude))
    steps = -np.diff(grid.latitude)
    if grid.is_periodic and np.ptp(steps) > _TOLERANCE:
        for end, pole in ((0, 90.0), (-1, -90.0)):
            if abs(edges[end] - pole) < steps[end] / 2:
                edges[end] = pole
    return np.asarray(np.clip(edges, -90.0, 90.0))
