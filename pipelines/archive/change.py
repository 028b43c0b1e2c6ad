"""How a month differs from what the archive held of it before."""

from dataclasses import dataclass
from typing import Any

import dask
import icechunk
import numpy as np
import xarray as xr

from pipelines.archive.check import DAMAGE, is_sound
from pipelines.archive.contents import ArchiveContents
from pipelines.archive.layout import open_hours
from pipelines.period import Month

__all__ = ["MonthChange", "change_since", "compare"]


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


def change_since(
    repository: icechunk.Repository, archived: ArchiveContents, written: xr.Dataset, *, month: Month
) -> MonthChange | None:
    """Compare with the hours that were there before; None where none was, or they are damaged.

    Args:
        repository: the archive.
        archived: what it held before.
        written: the month's hours as they are now.
        month: the month.
    """
    hours = written["time"].values.astype("datetime64[h]")
    first, last = np.searchsorted(archived.hours, [hours[0], hours[-1] + np.timedelta64(1, "h")])
    if first == last:
        return None
    store = repository.readonly_session(snapshot_id=archived.snapshot_id).store
    before = open_hours(store, int(first), int(last))
    try:
        return compare(before, written.sel(time=before["time"]))
    except DAMAGE:
        if is_sound(repository, archived, month):
            raise
        return None
