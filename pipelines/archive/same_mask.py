"""Points without a value are the same in every month of an archive."""

from collections.abc import Mapping

import icechunk
import numpy as np
import xarray as xr

from met2net.data.variables import variable
from pipelines.archive.check import DAMAGE
from pipelines.archive.layout import open_hours
from pipelines.archive.plan import MonthPlan
from pipelines.archive.storage import cause_of
from pipelines.errors import DataError

__all__ = ["check_same_mask"]


def check_same_mask(
    store: icechunk.IcechunkStore,
    month: xr.Dataset,
    fields: Mapping[str, tuple[int, ...]],
    plan: MonthPlan,
    num_archived: int,
) -> None:
    """Hold a month's points without a value to those of another month.

    Within a month they are the same at every hour (`pipelines.fields.verify_month`), so one hour of
    each is compared. Variables that have a value everywhere are not read.

    Args:
        store: the archive, with the month in it.
        month: its hours, as they were written.
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).
        plan: the month's place.
        num_archived: hours that the archive held before.

    Raises:
        DataError: naming variable, hours and number of points, or the damaged hour.
    """
    end = plan.start + len(plan.hours)
    other = plan.start - 1 if plan.start > 0 else end
    names = [name for name in fields if variable(name).nan_allowed]
    if not names or (plan.start == 0 and end >= num_archived):
        return
    before = open_hours(store, other, other + 1)[names].isel(time=0)
    now = month[names].isel(time=0)
    hours = [str(one["time"].values.astype("datetime64[h]")) for one in (now, before)]
    for name in names:
        try:
            found, expected = (np.isnan(one[name].values) for one in (now, before))
        except DAMAGE as error:
            raise DataError(
                f"{name} cannot be read at {hours[1]} ({cause_of(error)}), to compare its points "
                "without a value; expected sound chunks: flows/archive.py action=check "
                "names the damaged months"
            ) from error
        if (found != expected).any():
            raise DataError(
                f"{name} has no value at {found.sum()} points at {hours[0]}, and the archive at "
                f"{expected.sum()} points at {hours[1]}: {(found != expected).sum()} points "
                "differ; expected the same points without a value in every month of an archive"
            )
