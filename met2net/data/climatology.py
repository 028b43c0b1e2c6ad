"""Climatology: the mean of the training years by day of year and hour of day."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int64

__all__ = [
    "NUM_DAYS", "Climatology", "ClimatologyAccumulator", "MeanFields", "day_slot",
    "spans_two_years",
]  # fmt: skip

NUM_DAYS = 366  # slots of a leap year; 29 February has its own in every year
_FEBRUARY_29 = 59  # its slot, counted from 0


def day_slot(hours: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Give the day of a leap year, 0 to 365, so that a date has one slot in all years."""
    days = hours.astype("datetime64[h]").astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    day_of_year = (days - years.astype("datetime64[D]")).astype(np.int64)
    year = years.astype(np.int64) + 1970
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    after_february: np.ndarray = ~is_leap & (day_of_year >= _FEBRUARY_29)
    slot: Int64[np.ndarray, " n"] = day_of_year + after_february
    return slot


def spans_two_years(hours: Int64[np.ndarray, " n"]) -> bool:
    """Tell whether the first and last hour lie two years (730 days) apart, days inclusive.

    With less, a mean by day of year would be little more than the weather of one year, and
    the climatology goes by hour of day alone.
    """
    return len(hours) > 0 and int(hours.max() // 24 - hours.min() // 24 + 1) >= 2 * 365


@runtime_checkable
class MeanFields(Protocol):
    """Fields by day and hour of day, as an array of `day hour c h w` gives them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Days, hours of day, channels, latitudes and longitudes."""

    def __getitem__(self, slots: tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]], /) -> Any:
        """Give the fields `n c h w` of some days and hours of day, by their places."""


@dataclass(frozen=True, eq=False)
class Climatology:
    """Mean fields by day of year and hour of day, in the units they were summed in.

    Attributes:
        values: mean fields, in memory or on disk; of those on disk only what is asked for is
            read. The day axis has 366 slots (see `day_slot`), or 1 for a
            climatology by hour of day alone. The hour axis has as many evenly spaced hours
            of day, from 00 UTC, as the data: 24 for hourly, 4 for 6-hourly fields.

    Raises:
        ValueError: if the day axis is neither 1 nor 366, or the hours do not divide a day.
    """

    values: MeanFields

    def __post_init__(self) -> None:
        """Check the first two axes."""
        if self.values.shape[0] not in (1, NUM_DAYS):
            raise ValueError(f"day axis has {self.values.shape[0]} slots; expected 1 or {NUM_DAYS}")
        if self.values.shape[1] == 0 or 24 % self.values.shape[1] != 0:
            raise ValueError(
                f"hour axis has {self.values.shape[1]} slots; expected a divisor of 24"
            )

    @property
    def description(self) -> str:
        """What the mean is by, in words."""
        return "hour of day" if self.values.shape[0] == 1 else "day of year and hour of day"

    def at(self, hours: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n c h w"]:
        """Look up the fields of some hours since the epoch.

        Raises:
            ValueError: if an hour of day is not in the climatology.
        """
        num_days, num_hours = self.values.shape[:2]
        step = 24 // num_hours
        hour_of_day = hours % 24
        off = hour_of_day % step != 0
        if np.any(off):
            raise ValueError(
                f"hour of day {hour_of_day[off][0]} is not in the climatology; "
                f"expected one of {', '.join(map(str, range(0, 24, step)))}"
            )
        day = day_slot(hours) if num_days == NUM_DAYS else np.zeros_like(hours)
        fields: Float32[np.ndarray, "n c h w"] = self.values[day, hour_of_day // step]
        return fields


class ClimatologyAccumulator:
    """Sum fields by day and hour of day, in float64; any chunking gives the same sums.

    An hour of day takes `days * C * H * W * 8` bytes once it occurs; where that is too much,
    accumulate blocks of the field (some rows, some channels) one after another.
    """

    def __init__(self, *, by_day: bool, shape: tuple[int, int, int]) -> None:
        """Start empty.

        Args:
            by_day: by day of year and hour of day (True), or by hour of day alone.
            shape: channels, latitudes and longitudes.
        """
        self._num_days = NUM_DAYS if by_day else 1
        self._shape = shape
        self._sums: dict[int, np.ndarray] = {}  # hour of day -> (day, C, H, W)
        self._counts = np.zeros((24, self._num_days), dtype=np.int64)

    def add(self, fields: Float[np.ndarray, "n c h w"], hours: Int64[np.ndarray, " n"]) -> None:
        """Add the fields of some hours since the epoch.

        Raises:
            ValueError: if the fields have another shape, another count, or are not finite.
        """
        if fields.shape[1:] != self._shape or len(fields) != len(hours):
            raise ValueError(
                f"fields have shape {fields.shape} for {len(hours)} hours; "
                f"expected {(len(hours), *self._shape)}"
            )
        if not np.isfinite(fields).all():
            raise ValueError("fields hold values that are not finite; expected none")
        slots = day_slot(hours) if self._num_days == NUM_DAYS else np.zeros_like(hours)
        # One field at a time, in order: the sums do not depend on how time was cut.
        for field, hour, slot in zip(fields, hours % 24, slots, strict=True):
            if hour not in self._sums:
                self._sums[int(hour)] = np.zeros((self._num_days, *self._shape))
            self._sums[int(hour)][slot] += field
            self._counts[hour, slot] += 1

    def finish(self, *, smoothing_days: int = 61) -> Climatology:
        """Turn the sums into means, by day smoothed with a circular running mean.

        The smoothed value of a day is the mean over all samples within the days around it,
        so that a day with fewer samples (29 February) weighs less.

        Raises:
            ValueError: if `smoothing_days` is not odd or is longer than a year, if the hours
                of day that occur are not evenly spaced from 00, or if a day has no sample
                near it.
        """
        if smoothing_days % 2 != 1 or not 1 <= smoothing_days <= NUM_DAYS:
            raise ValueError(f"smoothing_days is {smoothing_days}; expected an odd number "
                             f"from 1 to {NUM_DAYS - 1}")  # fmt: skip
        hours = self._evenly_spaced_hours()
        values = np.empty((self._num_days, len(hours), *self._shape), dtype=np.float32)
        for index, hour in enumerate(hours):
            sums, counts = self._sums[hour], self._counts[hour]
            if self._num_days == NUM_DAYS:
                sums, counts = (_circular_sum(x, smoothing_days) for x in (sums, counts))
            if np.any(counts == 0):
                raise ValueError(
                    f"no samples at hour of day {hour} within {smoothing_days // 2} days of day "
                    f"{int(np.argmin(counts)) + 1} of a leap year; expected at least one"
                )
            values[:, index] = sums / counts[:, None, None, None]
        return Climatology(values)

    def _evenly_spaced_hours(self) -> list[int]:
        """Give the hours of day that occur; refuse an uneven set."""
        found = sorted(self._sums)
        if not found:
            raise ValueError("no fields were added; expected every hour of day at least once")
        expected = range(0, 24, 24 // len(found)) if 24 % len(found) == 0 else range(24)
        if found != list(expected):
            missing = ", ".join(str(hour) for hour in range(24) if hour not in found)
            raise ValueError(
                f"hours of day without any sample: {missing}; expected hours evenly spaced "
                f"from 00, found {', '.join(map(str, found))}"
            )
        return found


def _circular_sum(
    by_day: Float[np.ndarray, " day *rest"] | Int64[np.ndarray, " day *rest"], width: int
) -> np.ndarray:
    """Sum over `width` days around every day, across the turn of the year."""
    half = width // 2
    padded = np.concatenate([by_day[len(by_day) - half :], by_day, by_day[:half]])
    total = np.concatenate([np.zeros_like(padded[:1]), np.cumsum(padded, axis=0)])
    window: np.ndarray = total[width:] - total[:-width]
    return window
