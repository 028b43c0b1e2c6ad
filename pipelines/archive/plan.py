"""What to do with each wanted month: append, extend, refetch or nothing; gaps are refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.errors import DataError
from pipelines.period import Month

__all__ = ["MonthPlan", "WantedMonth", "plan_month", "plan_months"]

_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class WantedMonth:
    """A month that an archive shall hold.

    Attributes:
        month: the calendar month.
        hours: the wanted hours of it, datetime64[h].
        again: True to fetch it also where the archive holds it.
        received_after: how new a source's kept copy must be (see `MonthRequest`).
    """

    month: Month
    hours: np.ndarray
    again: bool = False
    received_after: np.datetime64 | None = None


@dataclass(frozen=True)
class MonthPlan:
    """How a month joins on to an archive.

    Attributes:
        action: `none` where the archive holds all wanted hours.
        hours: hours of the month after the commit, datetime64[h].
        start: position of the first of them in the archive.
    """

    action: Literal["none", "append", "extend"]
    hours: np.ndarray
    start: int


def plan_months(
    wanted: Iterable[WantedMonth], archived: np.ndarray, *, step_hours: int = 1
) -> list[MonthPlan]:
    """Plan months one after the other, each on what the one before will leave.

    Args:
        wanted: months in order.
        archived: hours that the archive holds, datetime64[h].
        step_hours: time step of the archive [h].

    Raises:
        DataError: as `plan_month`.
    """
    plans = []
    for month in wanted:
        plan = plan_month(month, archived, step_hours=step_hours)
        archived = np.union1d(archived, plan.hours)
        plans.append(plan)
    return plans


def plan_month(wanted: WantedMonth, archived: np.ndarray, *, step_hours: int = 1) -> MonthPlan:
    """Decide how a month joins on to the archive, whose hours are a time step apart.

    Raises:
        DataError: if hours lie before the archive's or leave a gap after them, or a new
            archive would not start with a day.
    """
    hours, step = wanted.hours, step_hours * _HOUR
    if len(archived) == 0:
        _check_starts_day(hours[0])
        return MonthPlan("append", hours, 0)
    first, last = archived[[0, -1]]
    held = archived[np.isin(archived, wanted.month.hours())]
    is_only_month = len(held) == len(archived)
    if hours[0] < first and not (is_only_month and hours[-1] >= first - step):
        raise DataError(
            f"the archive starts at {first} and grows at its end only; found hours from "
            f"{hours[0]}. Earlier hours need a new archive, under another path"
        )
    _check_starts_day(min(hours[0], first))
    if hours[0] > last + step:
        raise DataError(
            f"the archive ends at {last}; expected hours from {last + step} on, found them from "
            f"{hours[0]}: a gap"
        )
    if len(held) == 0:
        return MonthPlan("append", hours, len(archived))
    start = int(np.searchsorted(archived, held[0]))
    together = np.union1d(held, hours)
    action: Literal["none", "extend"] = "none" if len(together) == len(held) else "extend"
    return MonthPlan(action, together, start)


def _check_starts_day(first: np.datetime64) -> None:
    """Refuse an archive whose days would be cut by its chunks."""
    if first != first.astype("datetime64[D]"):
        raise DataError(
            f"the archive would start at {first}; expected hour 00 of a day (chunks are whole days)"
        )
