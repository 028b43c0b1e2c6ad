"""The one form of fields: names, dimensions, order of axes, units, experiment version."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from met2net.data.grid import Grid, unbroken_longitudes
from met2net.data.named_kind import named_variable, other_variable
from met2net.data.step_kind import hours_summed_name, summed_name
from met2net.data.unit_spellings import same_units
from met2net.data.variables import Variable
from met2net.data.windows import hours_since_epoch
from pipelines.errors import DataError
from pipelines.formats.axes import find_axes
from pipelines.formats.left_out import left_out, with_left_out
from pipelines.formats.levels import HELD_LEVELS, with_whole_levels
from pipelines.formats.releases import merge_releases
from pipelines.formats.time_bounds import hours_between_bounds
from pipelines.formats.times import TIME_NAMES, decoded_times
from pipelines.formats.valid_range import within_valid_range
from pipelines.formats.valid_time import on_valid_time

__all__ = ["canonical"]

_HOUSE_AXES = ("time", "level", "latitude", "longitude")


def canonical(dataset: xr.Dataset, *, origin: str) -> xr.Dataset:
    """Bring fields of ERA5 into house form; variables that the table lacks are left out.

    So are fields that are not what their names say (see `met2net.data.named_kind`), with
    the reason, which `pipelines.formats.left_out` gives.

    Args:
        dataset: fields named by GRIB short names, CDS labels or CDS long names.
        origin: file or address, for messages.

    Returns:
        CDS long names, float32 in ERA5's units; dims `time[, level], latitude, longitude`,
        time and level [hPa] increasing, latitude decreasing, longitude as in a `Grid`;
        coordinate `expver(time)`, four characters. Without variables if none is known. Sums of
        other than the hour before have a name of their own, and a coordinate along time with
        the number of hours (see `met2net.data.step_kind`).

    Raises:
        DataError: if units, dimensions, hours, axes or experiment versions are not ERA5's.
    """
    known = {str(name): v for name in dataset.data_vars if (v := named_variable(dataset[name]))}
    wrong = {n: why for n, v in known.items() if (why := other_variable(dataset[n], v))}
    known = {name: v for name, v in known.items() if name not in wrong}
    reasons = (*left_out(dataset), *wrong.values())
    if not known:
        return with_left_out(xr.Dataset(), reasons)
    dataset = _with_hours_summed(dataset, known, origin)
    dataset = find_axes(dataset, known, origin=origin)[list(known)]
    invariant = _invariant(dataset)
    dataset = dataset.drop_vars(invariant)
    reasons += tuple(f"{name}, which has no time" for name in invariant)
    if not dataset.data_vars:
        return with_left_out(xr.Dataset(), reasons)
    dataset = _rename_dimensions(on_valid_time(dataset, origin=origin))
    if dataset.sizes.get("time") == 0:
        empty = f"{', '.join(map(str, dataset.data_vars))}, of no hour"
        return with_left_out(xr.Dataset(), (*reasons, empty))
    dataset = _with_single_level(dataset, known)
    dataset = merge_releases(dataset, origin)
    # On no level, `z` is the height of the surface and `t` is nobody knows which temperature.
    usable = {
        name: v for name, v in known.items()
        if name in dataset and ("level" in dataset[name].dims or v.level_kind == "surface")
    }  # fmt: skip
    expver = dataset["expver"]
    fields = [_field(dataset[name], v, origin) for name, v in usable.items()]
    if len({v.name for v in usable.values()}) < len(usable):
        raise DataError(f"{origin}: found {', '.join(usable)}; expected each variable once")
    if not fields:
        return with_left_out(xr.Dataset(), reasons)
    result = xr.Dataset({field.name: field for field in fields})
    kept = {*_HOUSE_AXES, *(hours_summed_name(v.name) for v in usable.values())}
    result = result.drop_vars([n for n in result.coords if n not in kept])
    result = result.assign_coords(expver=expver.variable)
    result.attrs = {k: v for k, v in dataset.attrs.items() if k == "GRIB_centre"}
    return with_left_out(_ordered(result, origin), reasons)


def _with_hours_summed(
    dataset: xr.Dataset, known: Mapping[str, Variable], origin: str
) -> xr.Dataset:
    """Note beside sums of other than an hour of how many they are, where bounds of time say it."""
    sums = [name for name, v in known.items() if v.step_type == "accum"]
    hours = hours_between_bounds(dataset, origin=origin) if sums else None
    if hours is None or bool((hours == 1).all()):
        return dataset
    return dataset.assign_coords({hours_summed_name(name): hours.variable for name in sums})


def _rename_dimensions(dataset: xr.Dataset) -> xr.Dataset:
    """Use the house's name of time; a single hour becomes an axis."""
    found = next((s for s in TIME_NAMES if s in dataset.dims), None)
    if found is None:
        found = next((s for s in TIME_NAMES if s in dataset.coords), None)
        if found is not None and dataset[found].ndim == 0:
            dataset = dataset.expand_dims(found)
    if found is not None and found != "time":
        dataset = dataset.drop_vars("time", errors="ignore").rename({found: "time"})
    for name in ("number", "step", "surface"):
        if dataset.sizes.get(name) == 1:
            dataset = dataset.squeeze(name, drop=True)
    return dataset


def _invariant(dataset: xr.Dataset) -> list[str]:
    """Name fields without any time, as the height of the surface."""
    in_space = [
        str(name) for name, field in dataset.data_vars.items()
        if set(field.dims) <= {"latitude", "longitude", "level"}
    ]  # fmt: skip
    has_one_hour = any(t in dataset.coords and dataset[t].ndim == 0 for t in TIME_NAMES)
    return [] if has_one_hour and len(in_space) == len(dataset.data_vars) else in_space


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
    field = within_valid_range(field, origin=origin)
    result = field.transpose(*dims).astype(np.float32).rename(expected.name)
    if (hours := hours_summed_name(str(field.name))) in field.coords:
        result = result.rename({hours: hours_summed_name(expected.name)})
        result = result.rename(summed_name(expected.name))
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
