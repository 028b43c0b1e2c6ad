"""Periods of hours, and the calendar months they are made of."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["STEPS", "Month", "Period", "check_step_hours"]

STEPS = (1, 2, 3, 4, 6, 8, 12, 24)
"""Time steps that a day is a multiple of [h]: so every day has the same hours."""

_HOUR = np.timedelta64(1, "h")
_FORMS: dict[str, Literal["Y", "M", "D", "h"]] = {
    r"\d{4}": "Y",
    r"\d{4}-\d\d": "M",
    r"\d{4}-\d\d-\d\d": "D",
    r"\d{4}-\d\d-\d\d[T ]\d\d(:00(:00)?)?": "h",
}


def check_step_hours(step_hours: int) -> None:
    """Refuse a time step that does not divide a day.

    Raises:
        ValueError: naming the steps that do.
    """
    if step_hours not in STEPS:
        raise ValueError(
            f"step_hours is {step_hours}; expected one of {', '.join(map(str, STEPS))}: hours "
            "that divide a day"
        )


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month, written `2016-01`.

    Raises:
        ValueError: if the month is not 1 to 12.
    """

    year: int
    number: int

    def __post_init__(self) -> None:
        """Check the month's number."""
        if not 1 <= self.number <= 12:
            raise ValueError(f"month number is {self.number}; expected 1 to 12")

    @classmethod
    def of(cls, time: np.datetime64) -> "Month":
        """Give the month that holds a time."""
        year, number = str(time.astype("datetime64[M]")).split("-")
        return cls(int(year), int(number))

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read `2016-01`."""
        return cls.of(np.datetime64(text, "M"))

    @property
    def first_hour(self) -> np.datetime64:
        """Hour 00 of day 1."""
        hour: np.datetime64 = np.datetime64(str(self), "M").astype("datetime64[h]")
        return hour

    def following(self) -> "Month":
        """Give the next calendar month."""
        return Month.of(np.datetime64(str(self), "M") + 1)

    def hours(self, step_hours: int = 1) -> np.ndarray:
        """All hours of the month, or every so many from hour 00 on, datetime64[h]."""
        return np.arange(self.first_hour, self.following().first_hour, step_hours * _HOUR)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


@dataclass(frozen=True)
class Period:
    """A span of hours, both ends included, in UTC.

    Attributes:
        start: first hour, as `2016-01-01T00`; a date means its hour 00, a month or a year its
            first hour.
        end: last hour, as `2020-12-31T23`; a date means its hour 23, a month or a year its last
            hour.

    Raises:
        ValueError: if a time cannot be read, or the end lies before the start.
    """

    start: str
    end: str

    def __post_init__(self) -> None:
        """Read both ends once, so that a bad one fails here."""
        if self.last < self.first:
            raise ValueError(f"period ends {self.end}, before it starts {self.start}")

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Read `2017-01/2023-12`, any two ends with a slash between them, or one for both.

        So `2017-01` is that month, `2017` that year.

        Raises:
            ValueError: if an end cannot be read, or there are more than two.
        """
        ends = [end.strip() for end in text.split("/")]
        if len(ends) > 2 or not all(ends):
            raise ValueError(
                f"found the period {text!r}; expected a month, as 2017-01, or start/end, as "
                "2017-01/2023-12"
            )
        return cls(ends[0], ends[-1])

    @property
    def first(self) -> np.datetime64:
        """First hour, datetime64[h]."""
        return _first_hour(self.start)

    @property
    def last(self) -> np.datetime64:
        """Last hour, datetime64[h]."""
        unit = _unit(self.end)
        hour: np.datetime64 = (np.datetime64(self.end, unit) + 1).astype("datetime64[h]") - _HOUR
        return hour

    def hours(self, step_hours: int = 1) -> np.ndarray:
        """All hours of the period, or those that are so many apart, datetime64[h].

        Steps are counted from hour 00 of every day, wherever the period starts.
        """
        hours: np.ndarray = np.arange(self.first, self.last + _HOUR, _HOUR)
        return np.asarray(hours[hours.astype(np.int64) % step_hours == 0])

    def months(self) -> list[Month]:
        """All months that the period touches, in order."""
        months = [Month.of(self.first)]
        while months[-1] < Month.of(self.last):
            months.append(months[-1].following())
        return months

    def hours_in(self, month: Month, step_hours: int = 1) -> np.ndarray:
        """Hours of the period that lie in a month, all or every so many, datetime64[h]."""
        hours = month.hours(step_hours)
        return hours[(hours >= self.first) & (hours <= self.last)]

    def contains(self, time: np.ndarray) -> np.ndarray:
        """Tell for each time whether it lies in the period."""
        hours = time.astype("datetime64[h]")
        return (hours >= self.first) & (hours <= self.last)

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def _first_hour(text: str) -> np.datetime64:
    """Read an hour, or the first hour of a day, month or year."""
    hour: np.datetime64 = np.datetime64(text, _unit(text)).astype("datetime64[h]")
    return hour


def _unit(text: str) -> Literal["Y", "M", "D", "h"]:
    """Tell whether a text is a year, a month, a day or an hour.

    NumPy alone would take 201701 for a year, `now` for a time, and 05:30 for 05.
    """
    unit = next((unit for form, unit in _FORMS.items() if re.fullmatch(form, text)), None)
    try:
        if unit is None:
            raise ValueError(text)
        np.datetime64(text, unit)
    except ValueError as error:
        raise ValueError(
            f"cannot read {text!r} as a time; expected a full hour, day, month or year: "
            "2016-01-01T00, 2016-01-01, 2016-01 or 2016"
        ) from error
    return unit
