"""Sums of a netCDF file that stand hours apart, where nothing says over how many hours each is.

An hourly series tells by itself whether it holds sums of an hour
(`pipelines.fields.growing_sums`). Of every third hour, sums of one hour and of three look alike.
"""

import numpy as np
import xarray as xr

from met2net.data.named_kind import named_variable
from pipelines.formats.left_out import left_out, with_left_out
from pipelines.formats.time_bounds import hours_between_bounds
from pipelines.formats.times import time_dimension

__all__ = ["without_unmarked_sums"]


def without_unmarked_sums(dataset: xr.Dataset, *, origin: str) -> xr.Dataset:
    """Leave out such sums, with the reason; what bounds of time or GRIB's attributes tell stays.

    ERA5's sums are of the hour before, whichever hours were asked for: a field that a converter
    gave `GRIB_stepType` is one of these.

    Args:
        dataset: a whole netCDF file, decoded by xarray, house names given.
        origin: file or address, for messages.

    Raises:
        DataError: if bounds of time do not end at their time.
    """
    found = {name: _hours_apart(field) for name, field in dataset.data_vars.items()}
    unmarked = {name: hours for name, hours in found.items() if hours > 1}
    if not unmarked or hours_between_bounds(dataset, origin=origin) is not None:
        return dataset
    reasons = [
        f"{name} every {hours:g} h, and nothing says over how many hours each sums; expected "
        "bounds of time, or hourly fields"
        for name, hours in unmarked.items()
    ]
    return with_left_out(dataset.drop_vars(list(unmarked)), (*left_out(dataset), *reasons))


def _hours_apart(field: xr.DataArray) -> float:
    """Give the least distance of a sum's times [h]; 0 for what is no sum, or marked, or alone."""
    table = named_variable(field)
    if table is None or table.step_type != "accum" or "GRIB_stepType" in field.attrs:
        return 0.0
    name = time_dimension(field)
    if name is None or "step" in field.dims or field.sizes[name] < 2:
        return 0.0
    times = field[name].values
    if not np.issubdtype(times.dtype, np.datetime64):
        return 0.0
    return float(np.abs(np.diff(times)).min() / np.timedelta64(1, "h"))
