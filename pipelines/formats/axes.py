"""The axes of fields: values in the file that mean what their names say, or a refusal.

A dimension without values, an axis in radians or metres, and one of a rotated pole or of a
projection all have numbers that could pass for degrees; none is taken for them.
"""

import re
from collections.abc import Iterable

import numpy as np
import xarray as xr

from met2net.data.dataset_fields import AXIS_NAMES
from pipelines.errors import DataError

__all__ = ["find_axes"]

# Source: CF conventions 1.11, sections 4.1 and 4.2; plain degrees are common in files.
_UNITS = {
    "latitude": r"degrees?_?n(orth)?|deg(ree)?s?|°",
    "longitude": r"degrees?_?e(ast)?|deg(ree)?s?|°",
    "level": r"hpa|millibars?|mbars?|mb|hectopascals?",
}
_EXPECTED_UNITS = {"latitude": "degrees_north", "longitude": "degrees_east", "level": "hPa"}
_STANDARD_NAMES = {"latitude": "latitude", "longitude": "longitude", "level": "air_pressure"}
_RANGES = {"latitude": (-90.0, 90.0), "longitude": (-360.0, 720.0)}
_OTHER_GRIDS = re.compile(r"rot|lambert|polar|stereo|mercator|albers|projection", re.IGNORECASE)
_PLAIN_GRID = "latitude_longitude"
_TOLERANCE = 1e-4  # [degrees]; files store axes in float32
_ARC_SECOND_TOLERANCE = 0.02


def find_axes(dataset: xr.Dataset, fields: Iterable[str], *, origin: str) -> xr.Dataset:
    """Give level, latitude and longitude their house names, with the file's own values.

    The values of a dimension are those of its coordinate, or of a coordinate of another known
    name along it, as `latitude(lat)`. A single level stays a scalar coordinate.

    Args:
        dataset: all variables of a file.
        fields: those that are wanted.
        origin: file or address, for messages.

    Raises:
        DataError: if a dimension has no values, or two that differ; if an axis has units,
            a standard name or values of something else than degrees north and east or
            hectopascals; if the grid is rotated, projected or curvilinear.
    """
    _refuse_other_grids(dataset, fields, origin)
    for name, spellings in AXIS_NAMES.items():
        found = next((s for s in spellings if s in dataset.dims), None)
        if found is None:
            found = next((s for s in spellings if s in dataset.variables), None)
            if found is None:
                continue
            if dataset[found].ndim == 1 and name != "level":
                continue  # along a dimension of another name: refused with the dimensions
            values = dataset[found]
        else:
            values = _values(dataset, found, spellings, origin)
        _check_meaning(values, name, origin)
        others = [s for s in spellings if s in dataset.variables]
        dataset = dataset.drop_vars(others).rename({found: name} if found in dataset.dims else {})
        dataset = dataset.assign_coords({name: _as_axis(values, found, name)})
    _refuse_row_numbers(dataset, origin)
    return dataset


def _as_axis(values: xr.DataArray, found: str, name: str) -> xr.Variable:
    """Give an axis' values under its house name; a scalar stays one."""
    dims = tuple(name if dim == found else dim for dim in values.dims)
    return xr.Variable(dims, values.values, dict(values.attrs))


def _values(dataset: xr.Dataset, dim: str, spellings: tuple[str, ...], origin: str) -> xr.DataArray:
    """Find the values of a dimension among the coordinates of its names."""
    named = [s for s in spellings if s in dataset.variables]
    for other in named:
        if dataset[other].ndim > 1:
            dims = ", ".join(map(str, dataset[other].dims))
            raise DataError(
                f"{origin}: found {other}({dims}), a curvilinear or rotated grid; expected axes of "
                "one dimension, in degrees north and east"
            )
    along = [s for s in named if dataset[s].dims == (dim,)]
    if not along:
        raise DataError(
            f"{origin}: found a dimension {dim} of {dataset.sizes[dim]} without values; expected "
            f"a coordinate variable {dim}({dim})"
        )
    first = dataset[along[0]]
    for other in along[1:]:
        if not np.array_equal(first.values, dataset[other].values):
            raise DataError(
                f"{origin}: found other values in {other}({dim}) than in {along[0]}({dim}); "
                "expected one axis"
            )
    return first


def _check_meaning(values: xr.DataArray, name: str, origin: str) -> None:
    """Refuse what is no geographical coordinate in degrees, or no pressure in hPa."""
    units = values.attrs.get("units")
    expected = _EXPECTED_UNITS[name]
    if units is not None and not re.fullmatch(_UNITS[name], str(units).strip().lower()):
        what = "levels" if name == "level" else f"{values.name}"
        raise DataError(f"{origin}: found {what} in {str(units)!r}; expected {expected!r}")
    standard_name = str(values.attrs.get("standard_name", _STANDARD_NAMES[name]))
    long_name = str(values.attrs.get("long_name", ""))
    said = next(
        (text for text in (standard_name, long_name) if _says_otherwise(text, name, standard_name)),
        None,
    )
    if said is not None:
        raise DataError(
            f"{origin}: found {values.name} that is {said!r}; expected {_STANDARD_NAMES[name]!r} "
            f"in {expected!r}"
        )
    if not np.issubdtype(values.dtype, np.number):
        raise DataError(f"{origin}: found {values.name} of {values.dtype}; expected numbers")
    if name not in _RANGES or values.size == 0:
        return
    low, high = _RANGES[name]
    smallest, largest = float(values.values.min()), float(values.values.max())
    if not (low - _TOLERANCE <= smallest and largest <= high + _TOLERANCE):  # not NaN either
        raise DataError(
            f"{origin}: found {values.name} from {smallest:g} to {largest:g}; expected degrees, "
            f"{low:g} to {high:g}"
        )


def _says_otherwise(text: str, name: str, standard_name: str) -> bool:
    """Tell whether a name in words is of another quantity than the axis'."""
    if text == standard_name:
        return standard_name != _STANDARD_NAMES[name]
    words = r"model|hybrid|sigma|height|depth" if name == "level" else r"rotated|projection|grid_"
    return re.search(words, text, re.IGNORECASE) is not None


def _refuse_other_grids(dataset: xr.Dataset, fields: Iterable[str], origin: str) -> None:
    """Refuse fields of which anything says that they lie on a rotated or projected grid."""
    mappings = [
        str(variable.attrs["grid_mapping_name"])
        for variable in dataset.variables.values()
        if "grid_mapping_name" in variable.attrs
    ]
    for field in (dataset[name] for name in fields):
        mapping = field.attrs.get("grid_mapping", field.encoding.get("grid_mapping"))
        if mapping is not None and str(mapping).partition(":")[0] not in dataset.variables:
            mappings.append(str(mapping) if _OTHER_GRIDS.search(str(mapping)) else _PLAIN_GRID)
        grid_type = str(field.attrs.get("GRIB_gridType", ""))
        if _OTHER_GRIDS.search(grid_type):
            mappings.append(grid_type)
    other = next((mapping for mapping in mappings if mapping != _PLAIN_GRID), None)
    if other is not None:
        raise DataError(
            f"{origin}: found fields on a grid of {other!r}; expected geographical latitude and "
            "longitude"
        )


def _refuse_row_numbers(dataset: xr.Dataset, origin: str) -> None:
    """Refuse axes without units that count points, or that may as well be radians."""
    axes = [dataset[name] for name in ("latitude", "longitude") if name in dataset.dims]
    if len(axes) < 2 or any("units" in axis.attrs for axis in axes):
        return
    latitude, longitude = (axis.values.astype(np.float64) for axis in axes)
    if all(np.array_equal(axis, np.arange(len(axis))) for axis in (latitude, longitude)):
        found = f"axes without units that count points, 0 to {len(latitude) - 1} and 0 to " \
                f"{len(longitude) - 1}"  # fmt: skip
    elif _may_be_radians(latitude, longitude):
        found = (
            f"axes without units, {latitude.min():g} to {latitude.max():g} and "
            f"{longitude.min():g} to {longitude.max():g}, that may be radians"
        )
    else:
        return
    raise DataError(
        f"{origin}: found {found}; expected units 'degrees_north' and 'degrees_east' with them"
    )


def _may_be_radians(latitude: np.ndarray, longitude: np.ndarray) -> bool:
    """Tell whether axes fit the globe in radians and are no round steps of degrees."""
    if np.abs(latitude).max() > np.pi / 2 + _TOLERANCE or len(latitude) < 2 or len(longitude) < 2:
        return False
    if longitude.min() < -np.pi - _TOLERANCE or longitude.max() > 2 * np.pi + _TOLERANCE:
        return False
    step = abs(latitude[1] - latitude[0]) * 3600  # [arc seconds]; degrees come in whole ones
    return bool(abs(step - round(step)) > _ARC_SECOND_TOLERANCE)
