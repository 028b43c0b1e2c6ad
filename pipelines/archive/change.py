"""How a month differs from what the archive held of it before."""

from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
import xarray as xr

__all__ = ["MonthChange", "compare"]


@dataclass(frozen=True)
class MonthChange:
    """What a new version of some hours changed.

    Attributes:
        largest: largest absolute difference a variable, in its units. A point that gains or
            loses its value has no difference and counts among the hours alone.
        hours: number of hours of which any value changed.
        expver_hours: number of hours whose experiment version changed.
    """

    largest: dict[str, float]
    hours: int
    expver_hours: int

    @property
    def is_none(self) -> bool:
        """True if the new version is the old one."""
        return self.hours == 0 and self.expver_hours == 0


def compare(before: xr.Dataset, after: xr.Dataset) -> MonthChange:
    """Compare two versions of the same hours; streams by Dask.

    Args:
        before: dims time[, level], latitude, longitude; coordinate `expver(time)`.
        after: the same variables and hours.
    """
    lazy: dict[str, Any] = {}
    for name in map(str, before.data_vars):
        old, new = before[name].variable, after[name].variable
        same = (old == new) | (old.isnull() & new.isnull())
        space = [dim for dim in same.dims if dim != "time"]
        lazy[name] = abs(new - old).max(skipna=True), (~same).any(dim=space)
    computed = dask.compute(lazy)[0]
    changed = np.zeros(before.sizes["time"], dtype=bool)
    for _, by_hour in computed.values():
        changed |= by_hour.values
    versions = before["expver"].values != after["expver"].values
    largest = {name: float(np.nan_to_num(value)) for name, (value, _) in computed.items()}
    return MonthChange(largest, int(changed.sum()), int(versions.sum()))
