"""Crop and regrid: from a source's grid to the archive's, lazily by Dask over time."""

import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.variables import known_variables
from pipelines.errors import DataError
from pipelines.fields.axis_gaps import refuse_gaps
from pipelines.fields.regrid_weights import METHODS, RegridWeights
from pipelines.fields.target_grids import GridSettings, block, columns_of, target_grid

__all__ = ["regrid", "used_points"]

_HOURS_A_CHUNK = 24


def regrid(dataset: xr.Dataset, settings: GridSettings) -> xr.Dataset:
    """Bring a dataset to the wanted grid, lazily, keeping attributes and other coordinates.

    Where the wanted points are a block of the source's own, they are cut out and nothing is
    computed. Otherwise every value is a weighted sum of the source's, taken in float64 (see
    `pipelines.fields.regrid_weights`). A point without a value leaves every cell that it touches
    without one, except for variables that ERA5 itself leaves out in places: those are the
    mean of what there is, where at least `settings.nan_threshold` of the weight has values.

    Args:
        dataset: any dims before `latitude, longitude`; NumPy or Dask.
        settings: the wanted grid and the method.

    Returns:
        The dataset on the wanted grid; chunked by Dask where it was computed, float64 fields
        as float64, all others as float32.

    Raises:
        DataError: if the source's axes are not in house order, have a hole in the grid, do not
            cover it, or are coarser than it (for area means).
    """
    source = _grid_of(dataset)
    target = target_grid(source, settings)
    rows = block(source.latitude, target.latitude)
    columns = columns_of(source, target)
    is_block = rows is not None and columns is not None
    refuse_gaps(source, target, method=None if is_block else settings.method)
    if rows is not None and columns is not None:
        cut = dataset.isel(latitude=rows, longitude=columns)
        return cut if isinstance(columns, slice) else _counted_as(cut, target)
    weights = METHODS[settings.method](source, target)
    with_holes = {v.name for v in known_variables() if v.nan_allowed}
    fields = {
        name: _regrid_variable(
            array, weights, settings.nan_threshold if name in with_holes else 1.0
        )
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


def _counted_as(dataset: xr.Dataset, target: Grid) -> xr.Dataset:
    """Count longitudes as the target does, in another turn than the source."""
    longitude = ("longitude", np.array(target.longitude), dataset["longitude"].attrs)
    return dataset.assign_coords(longitude=longitude)


def used_points(dataset: xr.Dataset, settings: GridSettings) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows and columns of a source's grid that `regrid` takes values from.

    Raises:
        DataError: as `regrid`.
    """
    source = _grid_of(dataset)
    target = target_grid(source, settings)
    rows = block(source.latitude, target.latitude)
    columns = columns_of(source, target)
    if rows is not None and columns is not None:
        return np.arange(len(source.latitude))[rows], np.arange(len(source.longitude))[columns]
    weights = METHODS[settings.method](source, target)
    return np.unique(weights.latitude.nonzero()[1]), np.unique(weights.longitude.nonzero()[1])


def _grid_of(dataset: xr.Dataset) -> Grid:
    try:
        return Grid.from_dataset(dataset)
    except ValueError as error:
        raise DataError(f"the source's grid cannot be used: {error}") from error


def _regrid_variable(array: xr.DataArray, weights: RegridWeights, min_valid: float) -> xr.DataArray:
    """Apply the weights to one variable, a chunk of hours at a time."""
    if array.chunks is None:
        array = array.chunk({"time": _HOURS_A_CHUNK} if "time" in array.dims else {})
    array = array.chunk({"latitude": -1, "longitude": -1})
    rows, columns = weights.shape
    result: xr.DataArray = xr.apply_ufunc(
        _regrid_fields,
        array,
        input_core_dims=[["latitude", "longitude"]],
        output_core_dims=[["latitude", "longitude"]],
        exclude_dims={"latitude", "longitude"},
        kwargs={"weights": weights, "min_valid": min_valid},
        dask="parallelized",
        output_dtypes=[_result_type(array.dtype)],
        dask_gufunc_kwargs={"output_sizes": {"latitude": rows, "longitude": columns}},
    )
    result = result.transpose(*array.dims)
    result.attrs = dict(array.attrs)
    return result


def _regrid_fields(fields: np.ndarray, *, weights: RegridWeights, min_valid: float) -> np.ndarray:
    """Regrid fields one by one, so that neither memory nor result depends on their number."""
    flat = fields.reshape(-1, *fields.shape[-2:])
    out = np.empty((len(flat), *weights.shape), dtype=_result_type(fields.dtype))
    for index, field in enumerate(flat):
        out[index] = weights.apply(field, min_valid=min_valid)
    return out.reshape(*fields.shape[:-2], *weights.shape)


def _result_type(dtype: np.dtype) -> np.dtype:
    """Keep float64; everything else becomes float32, as the archive is."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)
