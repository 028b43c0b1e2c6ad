"""Find sums that grow and start anew, as ERA5-Land's since 00 UTC, among sums of an hour.

A netCDF file does not say which they are. Rain of an hour falls back at any time of the day; a
sum since the start of the day falls at one hour alone and holds its value until then. Of every few
hours alone, the sun's sums may fall at one hour, too, but hold at one other at most; with fewer
than four fields between two starts nothing tells the two apart.
"""

import dask
import numpy as np
import xarray as xr

__all__ = ["find_growing_sums"]

_ROUNDING = 1e-4  # of the largest value: packing in 16 bits, of fields of any range
_PERIODS = {24: 2, 12: 3, 8: 4, 6: 4, 3: 8}  # [h] -> fewest starts to tell them from chance
_STEPS_A_PERIOD = 3, 4  # hourly, and with other steps
_AT_ONE_HOUR = 0.98  # of all falls
_HELD = 0.2  # of the hours between two starts
_HELD_BY_SUN = 1.1  # hours, with steps longer than an hour
_GROWING_HOURS = 12


def find_growing_sums(array: xr.DataArray, highest: np.ndarray) -> str | None:
    """Tell whether sums over hours are those of a day or a forecast so far.

    Args:
        array: dims time, latitude, longitude; NumPy or Dask.
        highest: largest value of each field.

    Returns:
        What was found and expected, or None.
    """
    largest = float(np.nanmax(highest, initial=0.0))
    if len(highest) < _GROWING_HOURS or largest <= 0:
        return None
    falls, holds, rises = _changes(array, _ROUNDING * largest)
    times = array["time"].values[1:].astype("datetime64[h]")
    step = int(np.median(np.diff(times).astype(int)))
    num_falls, num_holds = int(falls.sum()), int(holds.sum())
    expected = "expected the sum of the hour before each (GRIB says what a sum is of)"
    if num_falls == 0:
        if (rises > 0).sum() < _GROWING_HOURS or len(highest) < 24:
            return None
        return f"only grows from {times[0]} to {times[-1]}, a sum since some start; {expected}"
    clock = times.astype(int)
    for period, fewest in _PERIODS.items():
        if period < _STEPS_A_PERIOD[step > 1] * step:
            continue
        by_hour = np.bincount(clock % period, weights=falls, minlength=period)
        start = int(np.argmax(by_hour))
        at_starts = clock[(clock % period == start) & (falls > 0)]
        starts = len(at_starts)
        # Showers of the afternoon end at one hour, too: shorter sums start at others as well.
        of_day = len(np.unique(at_starts % 24))
        held = num_holds / num_falls
        # One day shows one start alone: then all else must hold.
        fewest_held = _HELD * (period / step - 1)
        if step > 1:  # the first day's may have no fall before it
            fewest_held = max(fewest_held, _HELD_BY_SUN * (1 + 1 / starts))
        enough = starts >= fewest and held >= fewest_held
        enough |= period == 24 and starts == 1 and held >= _GROWING_HOURS / step
        enough &= 2 * of_day >= 24 // period and of_day >= min(2, 24 // period)
        if enough and by_hour[start] >= _AT_ONE_HOUR * num_falls:
            last = at_starts[-1].astype("datetime64[h]")
            return (
                f"grows and starts anew every {period} hours (last at {last}), a sum since some "
                f"start; {expected}"
            )
    return None


def _changes(array: xr.DataArray, rounding: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, from each hour to the next, points that fall, that hold what they had, that rise."""
    before, now = array.data[:-1], array.data[1:]
    falls = (now < before - rounding).sum(axis=(1, 2))
    holds = ((now >= before - rounding) & (before > rounding)).sum(axis=(1, 2))
    rises = (now > before + rounding).sum(axis=(1, 2))
    computed: tuple[np.ndarray, np.ndarray, np.ndarray] = dask.compute(falls, holds, rises)
    return computed
