"""Which months are there at a moment, and which have become final since."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from pipelines.period import Month

__all__ = ["Arrival", "as_moment"]

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Arrival:
    """How long after its end a month is available.

    ERA5T comes about five days behind real time, the final release two to three months behind.
    Source: ECMWF, ERA5 data documentation, "Data update frequency",
    https://confluence.ecmwf.int/display/CKB/ERA5%3A+data+documentation.

    Attributes:
        delay_days: from a month's end until all of it is available.
        final_delay_days: from a month's end until its preliminary hours are asked for again.

    Raises:
        ValueError: if a delay is negative, or the final release comes first.
    """

    delay_days: float = 6
    final_delay_days: float = 90

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.delay_days <= self.final_delay_days:
            raise ValueError(
                f"delay_days is {self.delay_days} and final_delay_days {self.final_delay_days}; "
                "expected 0 <= delay_days <= final_delay_days"
            )

    def newest_month(self, now: datetime) -> Month:
        """Give the newest month that is complete at a moment."""
        moment = as_moment(now)
        month = Month.of(moment)
        while _end(month) + _seconds(self.delay_days) > moment:
            month = Month.of(np.datetime64(str(month), "M") - 1)
        return month

    def available_from(self, month: Month) -> datetime:
        """Give the first moment at which a month is complete."""
        end = _end(month) + _seconds(self.delay_days)
        found: datetime = end.astype("datetime64[s]").item()
        return found.replace(tzinfo=UTC)

    def due(self, preliminary: Iterable[Month], now: datetime) -> list[Month]:
        """Choose, of the months with preliminary hours, those that should be final by now."""
        latest = as_moment(now) - _seconds(self.final_delay_days)
        return [month for month in preliminary if _end(month) <= latest]


def as_moment(now: datetime) -> np.datetime64:
    """Give a moment in UTC as datetime64[s]; without a zone it is UTC."""
    utc = now if now.tzinfo is None else now.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(utc, "s")


def _end(month: Month) -> np.datetime64:
    end: np.datetime64 = month.following().first_hour.astype("datetime64[s]")
    return end


def _seconds(days: float) -> np.timedelta64:
    return np.timedelta64(round(days * 86400), "s")
