"""The one form of fields: names, dimensions, order of axes, units, experiment version."""

import logging
from typing import Any

import numpy as np
import xarray as xr

from met2net.data.grid import Grid, unbroken_longitudes
from met2net.data.variables import VARIABLES, Variable
from met2net.data.windows import hours_since_epoch
from pipelines.errors import DataError
from pipelines.formats.axes import find_axes
from pipelines.formats.levels import HELD_LEVELS, with_whole_levels
from pipelines.formats.times import decoded_times

__all__ = ["canonical", "same_units"]

_logger = logging.getLogger(__name__)

_BY_GRIB_NAME = {v.grib_short_name: v for v in VARIABLES}
_BY_ANY_NAME = {name: v for v in VARIABLES for name in (v.grib_short_name, v.label, v.name)}

_TIME_NAMES = ("valid_time", "time")
_HOUSE_AXES = ("time", "level", "latitude", "longitude")

# One spelling for each unit; keys without "**" and in lower case.
_UNIT_SPELLINGS = {
    "(0 - 1)": "1", "0-1": "1", "dimensionless": "1", "~": "1", "fraction": "1",
    "percent": "%", "kelvin": "K", "k": "K", "pa": "Pa", "pascal": "Pa", "pascals": "Pa",
    "m/s": "m s-1", "kg/kg": "kg kg-1", "m2/s2": "m2 s-2", "j/m2": "J m-2", "j m-2": "J m-2",
    "meter": "m", "metre": "m", "meters": "m", "metres": "m",
}  # fmt: skip
_FIRST_RELEASE = "0001"


def canonical(dataset: xr.Dataset, *, origin: str) -> xr.Dataset:
    """Bring fields of ERA5 into house form; variables that the table lacks are left out.

    Args:
        dataset: fields named by GRIB short names, CDS labels or CDS long names.
        origin: file or address, for messages.

    Returns:
        CDS long names, float32 in ERA5's units; dims `time[, level], latitude, longitude`,
        time and level [hPa] increasing, latitude decreasing, longitude as in a `Grid`;
        coordinate `expver(time)`, four characters. Without variables if none is
        known.

    Raises:
        DataError: if units, dimensions, hours, axes or experiment versions are not ERA5's.
    """
    known = {str(name): v for name in dataset.data_vars if (v := _lookup(dataset[name]))}
    if not known:
        return xr.Dataset()
    dataset = find_axes(dataset, known, origin=origin)[list(known)]
    dataset = _rename_dimensions(dataset)
    dataset = _without_invariants(dataset, origin)
    if not dataset.data_vars or dataset.sizes.get("time") == 0:
        if dataset.data_vars:
            _logger.warning("%s: left out, its time has no records", origin)
        return xr.Dataset()
    dataset = _with_single_level(dataset, known)
    dataset = _merge_releases(dataset, origin)
    # On no level, `z` is the height of the surface and `t` is nobody knows which temperature.
    usable = {
        name: v for name, v in known.items()
        if name in dataset and ("level" in dataset[name].dims or v.level_kind == "surface")
    }  # fmt: skip
    expver = dataset["expver"]
    fields = {v.name: _field(dataset[name], v, origin) for name, v in usable.items()}
    if len(fields) < len(usable):
        raise DataError(f"{origin}: found {', '.join(usable)}; expected each variable once")
    result = xr.Dataset(fields)
    result = result.drop_vars([n for n in result.coords if n not in _HOUSE_AXES])
    result = result.assign_coords(expver=expver.variable)
    result.attrs = {k: v for k, v in dataset.attrs.items() if k == "GRIB_centre"}
    return _ordered(result, origin) if fields else xr.Dataset()


def same_units(found: str, expected: str) -> bool:
    """Tell whether two spellings mean the same unit, as `m s**-1` and `m s-1`."""
    return _plain_units(found) == _plain_units(expected)


def _plain_units(text: str) -> str:
    plain = text.replace("**", "").replace("^", "").strip()
    return _UNIT_SPELLINGS.get(plain.lower(), plain)


def _lookup(field: xr.DataArray) -> Variable | None:
    """Find a field's variable: by what GRIB called it, else by its name in the file."""
    short_name = field.attrs.get("GRIB_shortName")
    if short_name in _BY_GRIB_NAME:
        return _BY_GRIB_NAME[short_name]
    return _BY_ANY_NAME.get(str(field.name))


def _rename_dimensions(dataset: xr.Dataset) -> xr.Dataset:
    """Use the house's name of time; a single hour becomes an axis."""
    found = next((s for s in _TIME_NAMES if s in dataset.dims), None)
    if found is None:
        found = next((s for s in _TIME_NAMES if s in dataset.coords), None)
        if found is not None and dataset[found].ndim == 0:
            dataset = dataset.expand_dims(found)
    if found is not None and found != "time":
        dataset = dataset.drop_vars("time", errors="ignore").rename({found: "time"})
    for name in ("number", "step", "surface"):
        if dataset.sizes.get(name) == 1:
            dataset = dataset.squeeze(name, drop=True)
    return dataset


def _without_invariants(dataset: xr.Dataset, origin: str) -> xr.Dataset:
    """Leave out what has no time at all, as the height of the surface."""
    space = {"latitude", "longitude", "level"}
    invariant = [name for name, field in dataset.data_vars.items() if set(field.dims) <= space]
    if invariant:
        names = ", ".join(map(str, invariant))
        _logger.warning("%s: %s left out, without a time", origin, names)
    return dataset.drop_vars(invariant)


def _with_single_level(dataset: xr.Dataset, known: dict[str, Variable]) -> xr.Dataset:
    """Make a single level an axis of the variables that are on levels, and of no others."""
    if "level" not in dataset.coords or dataset["level"].ndim > 0:
        return dataset
    level = dataset["level"].variable.expand_dims("level")
    dataset = dataset.drop_vars("level")
    on_levels = {
        name: field.expand_dims("level") for name, field in dataset.data_vars.items()
        if known[str(name)].level_kind == "pressure"
    }  # fmt: skip
    return dataset.assign(on_levels).assign_coords(level=level) if on_levels else dataset


def _merge_releases(dataset: xr.Dataset, origin: str) -> xr.Dataset:
    """Give `expver(time)` whatever form it has: absent, scalar, an hour, or a dimension.

    As a dimension it holds final (1) and preliminary (5) fields; each hour has values in one.
    """
    if "time" not in dataset.dims:
        raise DataError(f"{origin}: found dimensions {tuple(dataset.dims)}; expected a time")
    if "time" not in dataset.coords:
        raise DataError(f"{origin}: found a dimension time of {dataset.sizes['time']} without "
                        "values; expected a coordinate variable with dates")  # fmt: skip
    size = dataset.sizes["time"]
    if "expver" not in dataset.dims:
        values = np.asarray(dataset.coords.get("expver", _FIRST_RELEASE))
        if values.size not in (1, size):
            raise DataError(f"{origin}: found {values.size} expver for {size} hours")
        text = np.array([_expver(x) for x in np.broadcast_to(values.ravel(), size)])
        return dataset.assign_coords(expver=("time", text))
    labels = [_expver(x) for x in np.atleast_1d(dataset["expver"].values)]
    parts = [dataset.isel(expver=i, drop=True) for i in range(len(labels))]
    present = np.stack([_hours_with_values(part) for part in parts])  # (expver, time)
    if np.any(present.sum(axis=0) != 1):
        hour = dataset["time"].values[present.sum(axis=0) != 1][0]
        raise DataError(
            f"{origin}: found values of {present.sum(axis=0).max()} experiment versions out of "
            f"{', '.join(labels)} around {hour}; expected one an hour"
        )
    merged = parts[0]
    for part, has_values in zip(parts[1:], present[1:], strict=True):
        mask = xr.DataArray(has_values, dims="time")
        merged = part.where(mask, merged)
    text = np.array(labels)[present.argmax(axis=0)]
    return merged.assign_coords(expver=("time", text)).assign_attrs(dataset.attrs)


def _hours_with_values(part: xr.Dataset) -> np.ndarray:
    """Tell for each hour whether any variable has any value."""
    finite = [field.notnull().any([d for d in field.dims if d != "time"]).values
              for field in part.data_vars.values()]  # fmt: skip
    found: np.ndarray = np.any(finite, axis=0)
    return found


def _expver(value: object) -> str:
    """Write an experiment version as four characters: 1 -> 0001."""
    text = value.decode() if isinstance(value, bytes) else str(value)
    return f"{int(float(text)):04d}" if text.replace(".", "").isdigit() else text.rjust(4, "0")


def _field(field: xr.DataArray, expected: Variable, origin: str) -> xr.DataArray:
    """Check one variable's units and dimensions; give it as float32 with CF attributes."""
    units = field.attrs.get("units")
    if units is None or not same_units(str(units), expected.units):
        raise DataError(
            f"{origin}: found {field.name} in {units or 'no units'!r}; expected "
            f"{expected.name} in {expected.units!r}"
        )
    level = ("level",) if expected.level_kind == "pressure" else ()
    dims = ("time", *level, "latitude", "longitude")
    if set(field.dims) != set(dims):
        raise DataError(f"{origin}: found {field.name} with dimensions {field.dims}; "
                        f"expected {dims}")  # fmt: skip
    result = field.transpose(*dims).astype(np.float32).rename(expected.name)
    result.attrs = {**expected.attrs, **_held(field)}
    result.encoding = {}
    return result


def _held(field: xr.DataArray) -> dict[str, Any]:
    """Keep what says on which levels a field has values."""
    return {HELD_LEVELS: field.attrs[HELD_LEVELS]} if HELD_LEVELS in field.attrs else {}


def _ordered(dataset: xr.Dataset, origin: str) -> xr.Dataset:
    """Sort all axes into house order and check them."""
    if "level" in dataset.dims:
        dataset = with_whole_levels(dataset, origin=origin)
        dataset = _sorted(dataset, "level", origin)
        dataset["level"].attrs = {"units": "hPa", "long_name": "pressure", "positive": "down"}
    dataset = dataset.assign_coords(time=decoded_times(dataset["time"], origin=origin))
    dataset = _sorted(dataset, "time", origin)
    try:
        hours_since_epoch(dataset["time"].values)
        dataset = _ordered_grid(dataset)
        Grid.from_dataset(dataset)
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f"{origin}: {error}") from error
    return dataset


def _ordered_grid(dataset: xr.Dataset) -> xr.Dataset:
    """Turn latitude to decreasing, and longitude to a `Grid`'s."""
    latitude = np.round(dataset["latitude"].values.astype(np.float64), 6)
    order, longitude = unbroken_longitudes(
        np.round(dataset["longitude"].values.astype(np.float64), 6)
    )
    if np.any(np.diff(order) != 1):
        dataset = dataset.isel(longitude=order)
    dataset = dataset.assign_coords(latitude=latitude, longitude=longitude)
    dataset["latitude"].attrs = {"units": "degrees_north", "standard_name": "latitude"}
    dataset["longitude"].attrs = {"units": "degrees_east", "standard_name": "longitude"}
    if np.any(np.diff(latitude) > 0):
        dataset = dataset.sortby("latitude", ascending=False)
    return dataset


def _sorted(dataset: xr.Dataset, name: str, origin: str) -> xr.Dataset:
    """Sort along an axis whose values must differ."""
    values = dataset[name].values
    if np.any(values[1:] <= values[:-1]):
        dataset = dataset.sortby(name)
        values = dataset[name].values
        twice = values[1:][values[1:] == values[:-1]]
        if len(twice):
            raise DataError(f"{origin}: found {name} {twice[0]} twice; expected it once")
    return dataset
