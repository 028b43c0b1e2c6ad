"""Crop and regrid: from a source's grid to the archive's, first-order conservative.

On a rectilinear grid the overlap of two cells factorises into an overlap in longitude and one
in the sine of latitude, so that regridding is one small weight matrix an axis. Source of the
method: Jones 1999, doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2, first order.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from met2net.grid import Grid, cell_edges, equiangular
from met2net.variables import VARIABLES
from pipelines.errors import DataError

__all__ = [
    "MIN_VALID_FRACTION",
    "Box",
    "GridSettings",
    "latitude_weights",
    "longitude_weights",
    "regrid",
    "target_grid",
]

MIN_VALID_FRACTION = 0.5
"""Part of a cell that must have values where ERA5 itself leaves points out (sea surface)."""

_TOLERANCE = 1e-4  # [degrees]; files store axes in float32
_COVERAGE_TOLERANCE = 1e-6  # of a cell
_NAN_ALLOWED = {v.name for v in VARIABLES if v.nan_allowed}


@dataclass(frozen=True)
class Box:
    """A region by its outermost points [degrees], as the Climate Data Store's `area`.

    Attributes:
        north: northernmost latitude.
        west: westernmost longitude, -180 to 360.
        south: southernmost latitude.
        east: easternmost longitude, -180 to 360, east of `west`.

    Raises:
        ValueError: if the box is empty, out of range, or has longitude 0 inside.
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
        if not -180 <= self.west < self.east <= 360 or self.east - self.west > 360:
            raise ValueError(
                f"box spans longitude {self.west} to {self.east}; "
                "expected -180 <= west < east <= 360, at most 360 wide"
            )
        if self.west < 0 < self.east and not self._is_full_circle:
            raise ValueError(
                f"box spans longitude {self.west} to {self.east}, across 0; expected a box that "
                "lies on one side of it (axes run from 0 to 360)"
            )

    @property
    def _is_full_circle(self) -> bool:
        return self.east - self.west == 360

    @property
    def longitudes(self) -> tuple[float, float]:
        """West and east within 0 to 360."""
        if self._is_full_circle:
            return 0.0, 360.0
        shift = 360.0 if self.west < 0 else 0.0
        return self.west + shift, self.east + shift


@dataclass(frozen=True)
class GridSettings:
    """The grid an archive is kept on.

    Attributes:
        box: region, or None for all that the source has.
        resolution: spacing of points [degrees], or None for the source's own. With a box,
            points start at its north and west; without, the grid is global and without
            points on the poles (see `met2net.grid.equiangular`).

    Raises:
        ValueError: if the resolution is not positive.
    """

    box: Box | None = None
    resolution: float | None = None

    def __post_init__(self) -> None:
        """Check the resolution."""
        if self.resolution is not None and self.resolution <= 0:
            raise ValueError(f"resolution is {self.resolution} degrees; expected > 0")


def target_grid(source: Grid, settings: GridSettings) -> Grid:
    """Give the grid that a source ends up on.

    Raises:
        DataError: if the source does not hold the box.
        ValueError: if the resolution does not divide the globe.
    """
    if settings.resolution is None:
        return source if settings.box is None else _cropped(source, settings.box)
    if settings.box is None:
        return equiangular(settings.resolution)
    box, step = settings.box, settings.resolution
    west, east = box.longitudes
    latitude = box.north - step * np.arange(int((box.north - box.south) / step + 1 + 1e-6))
    longitude = west + step * np.arange(int((east - west) / step + 1 + 1e-6))
    return Grid(tuple(latitude), tuple(longitude[longitude < 360 - _TOLERANCE]))


def regrid(dataset: xr.Dataset, settings: GridSettings) -> xr.Dataset:
    """Bring a dataset to the wanted grid, lazily, keeping attributes and other coordinates.

    Where the wanted points are a block of the source's own, they are cut out and nothing is
    computed. Otherwise every value is the area mean of the source's cells below it, summed
    in float64. A cell without a value in the source leaves every cell that it touches
    without one, except for variables that ERA5 itself leaves out in places: those are the
    mean of what there is, where at least `MIN_VALID_FRACTION` of the cell has values.

    Args:
        dataset: any dims before `latitude, longitude`; NumPy or Dask.
        settings: the wanted grid.

    Returns:
        The dataset on the wanted grid; float32 and chunked by Dask where it was computed.

    Raises:
        DataError: if the source's axes are not in house order, do not cover the grid, or are
            coarser than it.
    """
    try:
        source = Grid.from_dataset(dataset)
    except ValueError as error:
        raise DataError(f"the source's grid cannot be used: {error}") from error
    target = target_grid(source, settings)
    rows = _block(source.latitude, target.latitude)
    columns = _block(source.longitude, target.longitude)
    if rows is not None and columns is not None:
        return dataset.isel(latitude=rows, longitude=columns)
    _check_not_finer(source, target)
    by_latitude = latitude_weights(source, target)
    by_longitude = longitude_weights(source, target)
    fields = {
        name: _regrid_variable(array, by_latitude, by_longitude)
        if {"latitude", "longitude"} <= set(array.dims)
        else array
        for name, array in dataset.data_vars.items()
    }
    coords = {
        name: coord
        for name, coord in dataset.coords.items()
        if not {"latitude", "longitude"} & set(coord.dims)
    }
    for name, axis in (("latitude", target.latitude), ("longitude", target.longitude)):
        coords[name] = (name, np.array(axis), dataset[name].attrs)
    return xr.Dataset(fields, coords=coords, attrs=dataset.attrs)


def latitude_weights(source: Grid, target: Grid) -> np.ndarray:
    """Give the part of each source row in each target row; rows sum to 1.

    Area between two latitudes is proportional to the difference of their sines, with edges
    cut off at the poles.

    Raises:
        DataError: if a target row reaches beyond the source.
    """
    source_edges = _latitude_edges(source)
    target_edges = _latitude_edges(target)
    lower, upper = (np.sin(np.deg2rad(e)) for e in (source_edges[1:], source_edges[:-1]))
    low, high = (np.sin(np.deg2rad(e)) for e in (target_edges[1:], target_edges[:-1]))
    overlap = np.minimum(high[:, None], upper) - np.maximum(low[:, None], lower)
    return _normalized_rows(
        np.maximum(overlap, 0.0), high - low, name="latitude", source=source_edges[::-1],
        target=target_edges[::-1],
    )  # fmt: skip


def longitude_weights(source: Grid, target: Grid) -> np.ndarray:
    """Give the part of each source column in each target column; rows sum to 1.

    Raises:
        DataError: if a target column reaches beyond the source.
    """
    source_edges = cell_edges(np.asarray(source.longitude))
    target_edges = cell_edges(np.asarray(target.longitude))
    west, east = target_edges[:-1, None], target_edges[1:, None]
    overlap = np.zeros((len(target.longitude), len(source.longitude)))
    for turn in (-360.0, 0.0, 360.0):
        part = np.minimum(east, source_edges[1:] + turn) - np.maximum(
            west, source_edges[:-1] + turn
        )
        overlap += np.maximum(part, 0.0)
    return _normalized_rows(
        overlap, np.diff(target_edges), name="longitude", source=source_edges, target=target_edges
    )


def _cropped(source: Grid, box: Box) -> Grid:
    """Keep the source's points inside a box; refuse a box that reaches past them."""
    west, east = box.longitudes
    latitude, longitude = np.asarray(source.latitude), np.asarray(source.longitude)
    step = float(np.median(np.diff(longitude))), float(-np.median(np.diff(latitude)))
    # A box edge may fall between two points: the source must come within a step of it.
    reaches = (
        longitude[0] < west + step[0] - _TOLERANCE
        and (longitude[-1] > east - step[0] + _TOLERANCE or source.is_periodic)
        and latitude[0] > box.north - step[1] + _TOLERANCE
        and latitude[-1] < box.south + step[1] - _TOLERANCE
    )
    rows = (latitude >= box.south - _TOLERANCE) & (latitude <= box.north + _TOLERANCE)
    columns = (longitude >= west - _TOLERANCE) & (longitude <= east + _TOLERANCE)
    if not reaches or rows.sum() < 2 or columns.sum() < 2:
        raise DataError(
            f"the source has {source}; expected one that holds the box "
            f"{box.north:g} to {box.south:g} north, {west:g} to {east:g} east, "
            "with at least 2 x 2 points inside"
        )
    return Grid(tuple(latitude[rows]), tuple(longitude[columns]))


def _block(source: tuple[float, ...], target: tuple[float, ...]) -> slice | None:
    """Find the target's points as one block of the source's, or None."""
    start = int(np.argmin(np.abs(np.asarray(source) - target[0])))
    block = source[start : start + len(target)]
    if len(block) == len(target) and np.allclose(block, target, rtol=0, atol=_TOLERANCE):
        return slice(start, start + len(target))
    return None


def _check_not_finer(source: Grid, target: Grid) -> None:
    """Refuse to invent detail."""
    for name in ("latitude", "longitude"):
        found, wanted = (np.abs(np.diff(getattr(g, name))).min() for g in (source, target))
        if wanted < found - _TOLERANCE:
            raise DataError(
                f"the source's points lie {found:g} degrees apart in {name}; "
                f"expected at most the archive's {wanted:g}"
            )


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
    return np.clip(edges, -90.0, 90.0)


def _normalized_rows(
    overlap: np.ndarray, size: np.ndarray, *, name: str, source: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Divide rows by their sums; refuse rows that the source does not fill."""
    total = overlap.sum(axis=1)
    if np.any(total < size * (1 - _COVERAGE_TOLERANCE)):
        raise DataError(
            f"the source's cells reach from {name} {source[0]:g} to {source[-1]:g}; expected them "
            f"to cover the archive's cells, {target[0]:g} to {target[-1]:g}"
        )
    return overlap / total[:, None]


def _regrid_variable(
    array: xr.DataArray, by_latitude: np.ndarray, by_longitude: np.ndarray
) -> xr.DataArray:
    """Apply both matrices to one variable, day by day."""
    if array.chunks is None:
        array = array.chunk({"time": 24} if "time" in array.dims else {})
    array = array.chunk({"latitude": -1, "longitude": -1})
    sizes = {"latitude": len(by_latitude), "longitude": len(by_longitude)}
    min_valid = MIN_VALID_FRACTION if array.name in _NAN_ALLOWED else 1.0
    result: xr.DataArray = xr.apply_ufunc(
        _apply_weights,
        array,
        input_core_dims=[["latitude", "longitude"]],
        output_core_dims=[["latitude", "longitude"]],
        exclude_dims={"latitude", "longitude"},
        kwargs={"by_latitude": by_latitude, "by_longitude": by_longitude, "min_valid": min_valid},
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )
    result = result.transpose(*array.dims)
    result.attrs = dict(array.attrs)
    return result


def _apply_weights(
    fields: np.ndarray, *, by_latitude: np.ndarray, by_longitude: np.ndarray, min_valid: float
) -> np.ndarray:
    """Regrid fields one by one, so that neither memory nor result depends on their number."""
    flat = fields.reshape(-1, *fields.shape[-2:])
    out = np.empty((len(flat), len(by_latitude), len(by_longitude)), dtype=np.float32)
    for index, field in enumerate(flat):
        out[index] = _apply_to_field(field.astype(np.float64), by_latitude, by_longitude, min_valid)
    return out.reshape(*fields.shape[:-2], *out.shape[1:])


def _apply_to_field(
    field: np.ndarray, by_latitude: np.ndarray, by_longitude: np.ndarray, min_valid: float
) -> np.ndarray:
    """Average one float64 field; where points miss, over the valid part of each cell."""
    valid = np.isfinite(field)
    if valid.all():
        return by_latitude @ (field @ by_longitude.T)
    total = by_latitude @ (np.where(valid, field, 0.0) @ by_longitude.T)
    part = by_latitude @ (valid.astype(np.float64) @ by_longitude.T)
    enough = part >= min_valid - _COVERAGE_TOLERANCE
    return np.divide(total, part, out=np.full_like(total, np.nan), where=enough)
