"""Does a month behave like weather? Repeated fields, zeros, growing sums, numbers of other units.

Works on what `pipelines.fields.verify_month` has read of every hour anyway; only sums over hours
(precipitation, radiation) are read once more.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from met2net.data.variables import variable
from pipelines.fields.growing_sums import find_growing_sums
from pipelines.fields.implausible import Finding
from pipelines.fields.unit_scale import find_other_unit
from pipelines.fields.variable_habits import Habits, habits
from pipelines.fields.verify_month import HourlyContent

__all__ = ["find_implausible"]

_FEW_POINTS = 12  # with fewer, coarsely packed fields may meet again
_FEWEST_REPEATS = 2
_FEWEST_REPEATS_OF_FEW = 5
_FEWEST_AGAIN = 3  # hours that come once more, in order
_ZERO_HOURS = 240
_OTHER_HOURS = 120  # beside them, to tell a dry region from a writer that died
_SHARE_BEFORE = 15  # so many times longer than any run of zeros beside it
_SUN_RISES = 66.0  # [degrees]; at lower latitudes on every day


def find_implausible(
    dataset: xr.Dataset,
    fields: Mapping[str, Sequence[int]],
    contents: Mapping[str, HourlyContent],
    *,
    step_hours: int = 1,
) -> Iterator[Finding]:
    """Give what a month does that its variables never do.

    Args:
        dataset: a month on the archive's grid, dims time[, level], latitude, longitude.
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).
        contents: what was read of each field, by variable or `variable@level`.
        step_hours: from one field to the next [h].
    """
    for name, levels in fields.items():
        for level in levels or (None,):
            array = dataset[name] if level is None else dataset[name].sel(level=level)
            label = name if level is None else f"{name} at {level} hPa"
            content = contents[name if level is None else f"{name}@{level}"]
            of_name = habits(name, level)
            found = [
                ("repeated_fields", _repeats(array, content, of_name, step_hours)),
                ("zero_fields", _zeros(array, content, of_name, step_hours)),
            ]
            if variable(name).step_type == "accum":
                found.append(("running_sums", find_growing_sums(array, content.highest)))
            found.append(("other_unit", find_other_unit(array, content)))
            for kind, text in found:
                if text is not None:
                    yield Finding(name, kind, f"{label} {text}")


def _repeats(array: xr.DataArray, content: HourlyContent, of_name: Habits, step: int) -> str | None:
    """Find a field that stays for hours, and hours that come once more."""
    if of_name.longest_repeat is None:
        return None
    earlier = _last_time_seen(content.digests)
    back = np.arange(len(earlier)) - earlier  # how many hours ago; 0 for what is new
    back[earlier < 0] = 0
    if of_name.constant_repeats:
        back[content.lowest == content.highest] = 0
    # What changes by the day (23 hours) may be there twice a day; what always moves, never.
    fewest = max(of_name.longest_repeat // step, _FEWEST_REPEATS)
    if array.sizes["latitude"] * array.sizes["longitude"] < _FEW_POINTS:
        fewest = max(fewest, _FEWEST_REPEATS_OF_FEW)
    for start, stop, distance in _runs(back):
        if distance == 1 and stop - start >= fewest:
            return (
                f"has the same field {(stop - start) * step + 1} hours in a row, from "
                f"{_hour(array, start - 1)} to {_hour(array, stop - 1)}; expected it to change"
            )
        if distance > 1 and stop - start >= max(fewest, _FEWEST_AGAIN):
            return (
                f"has the {stop - start} fields from {_hour(array, start - distance)} on once more "
                f"from {_hour(array, start)} on; expected others"
            )
    return None


def _last_time_seen(digests: np.ndarray) -> np.ndarray:
    """Give for each hour the last one before with the same field, or -1."""
    last: dict[bytes, int] = {}
    earlier = np.full(len(digests), -1)
    for hour, digest in enumerate(digests):
        earlier[hour] = last.get(key := digest.tobytes(), -1)
        last[key] = hour
    return earlier


def _zeros(array: xr.DataArray, content: HourlyContent, of_name: Habits, step: int) -> str | None:
    """Find days of nothing but zeros where the rest of the month has weather."""
    is_zero = (content.lowest == 0) & (content.highest == 0)
    runs = [(start, stop) for start, stop, zero in _runs(is_zero.astype(int)) if zero]
    if not runs:
        return None
    start, stop = max(runs, key=lambda run: run[1] - run[0])
    hours = (stop - start) * step
    found = f"is 0 everywhere for {hours} hours, from {_hour(array, start)} to " \
            f"{_hour(array, stop - 1)}"  # fmt: skip
    if array.name == "toa_incident_solar_radiation":
        nearest = float(np.abs(array["latitude"].values).min())
        if nearest < _sun_seen_below(step) and hours >= 24:
            return f"{found}; expected the sun to rise at latitude {nearest:g}"
        return None
    others = [(b - a) * step for a, b in runs if (a, b) != (start, stop)]
    num_others = len(is_zero) * step - hours
    is_end = hours >= _ZERO_HOURS and num_others >= _OTHER_HOURS
    if of_name.zeros_end or not is_end or hours < _SHARE_BEFORE * max(others, default=0):
        return None
    return (
        f"{found}, and never for longer than {max(others, default=0)} hours in the other "
        f"{num_others}; expected weather to the end"
    )


def _sun_seen_below(step: int) -> float:
    """Give the latitude [degrees] below which every day has an hour of the step with sun.

    The shortest day lasts `2 arccos(tan(latitude) tan(23.44 degrees)) / 15` hours; one as long as
    the step holds one of its hours. Source: Duffie and Beckman, Solar Engineering of Thermal
    Processes, 4th edition, equation 1.6.11.
    """
    half_day = np.cos(np.deg2rad(7.5 * step))
    return min(_SUN_RISES, float(np.rad2deg(np.arctan(half_day / np.tan(np.deg2rad(23.44))))))


def _runs(values: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Give start, stop and value of each run of one value."""
    edges = np.flatnonzero(np.diff(values)) + 1
    bounds = [0, *edges.tolist(), len(values)]
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        if values[start] != 0:
            yield start, stop, int(values[start])


def _hour(array: xr.DataArray, index: int) -> str:
    return str(array["time"].values[index].astype("datetime64[h]"))
