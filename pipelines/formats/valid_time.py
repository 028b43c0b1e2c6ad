"""Forecasts lie by the time that they were made and by their step; fields count when valid.

`cfgrib`, and converters after it, write `time` (of the start), `step`, and `valid_time` beside
them. Where `time` were taken for the hour, every field would be off by its step.
"""

from typing import Literal

import numpy as np
import xarray as xr

from pipelines.errors import DataError

__all__ = ["on_valid_time"]

_VALID = "valid_time"
_BASE = ("time", "forecast_reference_time", "init_time", "reference_time", "base_time")
_STEP = ("step", "forecast_period", "lead_time", "leadtime", "prediction_timedelta")
_UNITS: dict[str, Literal["h", "m", "D", "s"]] = {
    "hour": "h", "hours": "h", "h": "h", "hr": "h", "minutes": "m", "minute": "m", "min": "m",
    "days": "D", "day": "D", "seconds": "s", "s": "s",
}  # fmt: skip


def on_valid_time(dataset: xr.Dataset, *, origin: str) -> xr.Dataset:
    """Lay fields out by the hour that they are valid for.

    Args:
        dataset: fields with a dimension or scalar `valid_time` or `time`, or start and step in
            the usual names; `valid_time` along both, one or none of them.
        origin: file or address, for messages.

    Returns:
        The same fields with `valid_time` as dimension or scalar, start and step gone; a dataset
        without a step, and without `valid_time` beside another time, as it is. Of starts with
        several steps each, hours without any value are left out: a converter fills with them.

    Raises:
        DataError: if only the start is known, the step has no unit, `valid_time` is another
            moment than start and step give, or fields of one start are said to be valid at once.
    """
    if _VALID in dataset.dims:
        return dataset
    base = next((name for name in _BASE if name in dataset.coords), None)
    step = next((name for name in _STEP if name in dataset.coords), None)
    if base is None or (step is None and _VALID not in dataset.coords):
        _check_is_valid_time(dataset, base, origin)
        return dataset
    if step is not None:
        dataset = _with_valid_time(dataset, base, step, origin)
    gone = [name for name in (base, step) if name is not None]
    dataset = dataset.squeeze([name for name in gone if dataset.sizes.get(name) == 1])
    along = dataset[_VALID].dims
    if any(name in dataset.dims and name not in along for name in gone):
        raise DataError(
            f"{origin}: found valid_time along {along or 'no dimension'} for fields along "
            f"{tuple(dataset.dims)}; expected a valid time for each field"
        )
    if len(along) == 1:
        dataset = dataset.swap_dims({along[0]: _VALID})
    elif len(along) == 2:
        dataset = _stacked(dataset, along)
    return dataset.drop_vars(gone, errors="ignore")


def _check_is_valid_time(dataset: xr.Dataset, base: str | None, origin: str) -> None:
    """Refuse a lone time that says it is the start of forecasts."""
    if base is None or _VALID in dataset.coords:
        return
    says = dataset[base].attrs.get("standard_name")
    if base != "time" or says == "forecast_reference_time":
        if base != "time" and "time" in dataset.coords:
            return
        raise DataError(
            f"{origin}: found {base}, the time that forecasts were made, and no step; expected "
            "valid_time, or the step in hours beside it"
        )


def _with_valid_time(dataset: xr.Dataset, base: str, step: str, origin: str) -> xr.Dataset:
    """Compute the valid time; one that is there must be the same."""
    if not np.issubdtype(dataset[base].dtype, np.datetime64):
        raise DataError(
            f"{origin}: found {base} as {dataset[base].dtype}; expected times of a calendar"
        )
    computed = dataset[base] + _timedelta(dataset[step], origin)
    if _VALID in dataset.coords:
        given = dataset[_VALID]
        if not bool((given == computed).all()):
            raise DataError(
                f"{origin}: found valid_time {str(given.values.flat[0])[:16]} at {base} "
                f"{str(dataset[base].values.flat[0])[:16]} and {step} "
                f"{dataset[step].values.flat[0]}; expected their sum"
            )
    return dataset.assign_coords({_VALID: computed.variable})


def _timedelta(step: xr.DataArray, origin: str) -> xr.DataArray:
    """Give steps as durations."""
    if np.issubdtype(step.dtype, np.timedelta64):
        return step
    unit = _UNITS.get(str(step.attrs.get("units", "")).lower())
    if unit is None or not np.issubdtype(step.dtype, np.number):
        raise DataError(
            f"{origin}: found {step.name} in {step.attrs.get('units', 'no units')!r}; expected "
            "hours"
        )
    seconds = step.values.astype(np.float64) * (np.timedelta64(1, unit) / np.timedelta64(1, "s"))
    return step.copy(data=np.round(seconds).astype("timedelta64[s]").astype("timedelta64[ns]"))


def _stacked(dataset: xr.Dataset, along: tuple[object, ...]) -> xr.Dataset:
    """Put the steps of all starts in one row, in order of their valid time."""
    row = dataset.drop_vars([name for name in along if name in dataset.coords])
    row = row.stack(_row=list(along), create_index=False)
    row = row.swap_dims({"_row": _VALID})
    present = np.zeros(row.sizes[_VALID], dtype=bool)
    for field in row.data_vars.values():
        present |= field.notnull().any([dim for dim in field.dims if dim != _VALID]).values
    return row.isel({_VALID: present}).sortby(_VALID)
