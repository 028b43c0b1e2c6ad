"""Sums over the hour before, from sums since the start of a day or of a forecast.

ERA5-Land gives precipitation as the sum since 00 UTC: an hour's is the difference of two.
Source: ECMWF, ERA5-Land documentation, "Accumulations",
https://confluence.ecmwf.int/display/CKB/ERA5-Land%3A+data+documentation.
"""

import numpy as np
import xarray as xr

from met2net.data.step_kind import hours_summed_name
from pipelines.errors import DataError

__all__ = ["hourly_sums", "hours_needed"]

_HOUR = np.timedelta64(1, "h")


def hours_needed(hours: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Give the hours of sums to read for some wanted ones: also the hour before each, if there.

    Args:
        hours: wanted, increasing, datetime64[h].
        held: hours that there are, datetime64[h].
    """
    before = hours - _HOUR
    return np.union1d(hours, before[np.isin(before, held)])


def hourly_sums(sums: xr.DataArray, name: str, *, hours: np.ndarray, origin: str) -> xr.DataArray:
    """Take differences of sums that grow, lazily.

    A sum of one hour is kept; a sum of n hours needs the sum of n - 1 hours an hour before. Sums
    are rounded by their packing, so that an hour without rain may come out slightly negative.

    Args:
        sums: dims time, latitude, longitude; beside it `hours_summed_name(name)` along time [h].
        name: of the variable.
        hours: wanted, datetime64[h].
        origin: the files, for messages.

    Returns:
        The wanted hours, float32.

    Raises:
        DataError: if a sum has no sum before it, as those of three hours and the first of a file.
    """
    length = sums[hours_summed_name(name)].values
    times = sums["time"].values.astype("datetime64[h]")
    place = np.searchsorted(times, hours)
    before = np.maximum(place - 1, 0)
    alone = length[place] == 1
    follows = (times[before] == hours - _HOUR) & (length[before] == length[place] - 1)
    if not (alone | follows).all():
        bad = int(np.argmin(alone | follows))
        raise DataError(
            f"{origin}: found {name} as the sum of {length[place][bad]:g} hours at {hours[bad]}; "
            f"expected that of one hour, or also that of {max(length[place][bad] - 1, 0):g} hours "
            f"at {hours[bad] - _HOUR}, to take the difference"
        )
    sums = sums.drop_vars(hours_summed_name(name))
    now = sums.isel(time=place)
    earlier = sums.isel(time=before).assign_coords(time=now["time"])
    result: xr.DataArray = now - earlier.where(xr.DataArray(~alone, dims="time"), 0)
    return result.astype(np.float32).assign_attrs(sums.attrs).rename(name)
