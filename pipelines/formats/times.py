"""Times of fields: as the file writes them, or a refusal; never numbers taken for dates."""

import re

import numpy as np
import xarray as xr

from pipelines.errors import DataError

__all__ = ["TIME_NAMES", "decoded_times", "time_dimension"]

TIME_NAMES = ("valid_time", "time")
"""What files call the time that fields are valid for, the surer name first."""

# Absolute dates as CDO writes them (`cdo -a`): the day in digits, then its fraction.
_ABSOLUTE = re.compile(r"days? as %Y%m%d(\.%f)?")
_SECONDS_A_DAY = 86_400


def time_dimension(data: xr.Dataset | xr.DataArray) -> str | None:
    """Name the dimension of valid times that have a coordinate; None where there is none."""
    return next((t for t in TIME_NAMES if t in data.dims and t in data.coords), None)


def decoded_times(time: xr.DataArray, *, origin: str) -> np.ndarray:
    """Give times as datetime64[ns], rounded to a second (fractions of days are not exact).

    Args:
        time: a coordinate; decoded by xarray, or in units of `day as %Y%m%d.%f`.
        origin: file or address, for messages.

    Raises:
        DataError: if the calendar is not the usual one, or numbers have no units of time.
    """
    if np.issubdtype(time.dtype, np.datetime64):
        return _rounded(time.values)
    if time.dtype == object:
        calendar = time.encoding.get("calendar") or getattr(time.values[0], "calendar", "unknown")
        raise DataError(
            f"{origin}: found {time.name} from {time.values[0]} in the calendar {calendar!r}; "
            "expected 'proleptic_gregorian' or 'standard', 1678 to 2261"
        )
    units = str(time.attrs.get("units", ""))
    if _ABSOLUTE.fullmatch(units) and time.dtype in (np.float64, np.int64, np.int32):
        return _from_digits(time.values, origin)
    raise DataError(
        f"{origin}: found {time.name} as {time.dtype} in {units or 'no units'!r}; expected units "
        "as 'hours since 1970-01-01'"
    )


def _from_digits(values: np.ndarray, origin: str) -> np.ndarray:
    """Read 20260401.25 as 2026-04-01T06."""
    days = np.floor(values).astype(np.int64)
    seconds = np.rint((values - days) * _SECONDS_A_DAY).astype("timedelta64[s]")
    text = [f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}" for day in days.tolist()]
    try:
        dates = np.array(text, dtype="datetime64[s]")
    except ValueError as error:
        raise DataError(f"{origin}: found times as {values[0]!r} ({error}); expected dates as "
                        "20260401.25") from error  # fmt: skip
    return np.asarray((dates + seconds).astype("datetime64[ns]"))


def _rounded(times: np.ndarray) -> np.ndarray:
    half = np.timedelta64(500, "ms")
    return (times.astype("datetime64[ns]") + half).astype("datetime64[s]").astype("datetime64[ns]")
