"""Experiment versions of fields: final and preliminary, in the forms that files have had."""

import numpy as np
import xarray as xr

from pipelines.errors import DataError

__all__ = ["merge_releases"]

_FIRST_RELEASE = "0001"


def merge_releases(dataset: xr.Dataset, origin: str) -> xr.Dataset:
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
