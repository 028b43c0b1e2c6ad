"""Does a month fit to those that an archive holds? Its mean among theirs, its values not theirs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from met2net.data.variables import variable
from pipelines.fields.implausible import Finding
from pipelines.fields.variable_habits import habits
from pipelines.fields.verify_month import HourlyContent

__all__ = ["find_unusual", "month_means"]

_FEWEST_HOURS = 240  # a part of a month says little about its mean
_FEWEST_MONTHS = 3
_STEPS = 8.0  # times the largest step from one month to the next
_SPREADS = 5.0  # times the largest spread of hourly means within a month
_OF_RANGE = 0.01  # of the limits' range: less is no other quantity


def month_means(contents: Mapping[str, HourlyContent]) -> dict[str, list[float]]:
    """Give what is kept of a month: of each field, mean and standard deviation of hourly means.

    Args:
        contents: variable, or `variable@level`, -> what its hours hold.
    """
    return {
        key: [float(np.mean(content.mean)), float(np.std(content.mean))]
        for key, content in contents.items()
    }


def find_unusual(
    records: Mapping[str, Mapping[str, Any]], record: Mapping[str, Any]
) -> Iterator[Finding]:
    """Compare a month with all others of an archive.

    Args:
        records: month -> metadata of its commit; those before means were kept have none.
        record: the new month's: `month`, `first_hour`, `last_hour`, `means`, `values`.
    """
    others = {m: r for m, r in sorted(records.items()) if m != record["month"]}
    whole = [r for r in others.values() if _hours(r) >= _FEWEST_HOURS and "means" in r]
    for key, (mean, spread) in record["means"].items():
        name, _, at = key.partition("@")
        label = f"{name} at {at} hPa" if at else name
        same = _same_values(others, record, key)
        if same is not None and not habits(name, int(at) if at else None).constant_repeats:
            yield Finding(
                name, "repeated_month",
                f"{label} has exactly the values of {same}; expected those of {record['month']}",
            )  # fmt: skip
        past = np.array([r["means"][key] for r in whole if key in r["means"]])
        if _hours(record) >= _FEWEST_HOURS and len(past) >= _FEWEST_MONTHS:
            text = _jump(past, mean, spread, name)
            if text is not None:
                yield Finding(name, "mean_jump", f"{label} {text}")


def _jump(past: np.ndarray, mean: float, spread: float, name: str) -> str | None:
    """Find a mean that lies further outside the others than these ever moved."""
    means, spreads = past.T
    outside = max(means.min() - mean, mean - means.max(), 0.0)
    low, high = variable(name).valid_range
    usual = max(
        _STEPS * float(np.abs(np.diff(means)).max()),
        _SPREADS * float(max(spreads.max(), spread)),
        _OF_RANGE * (high - low),
    )
    if outside <= usual:
        return None
    units = variable(name).units
    return (
        f"is {mean:g} {units} on average; expected about {means.min():g} to {means.max():g}, as "
        f"in {len(means)} other months of the archive, and no more than {usual:g} beyond"
    )


def _same_values(
    others: Mapping[str, Mapping[str, Any]], record: Mapping[str, Any], key: str
) -> str | None:
    """Name a month of exactly the same values."""
    values = record["values"][key]
    return next((m for m, r in others.items() if (r.get("values") or {}).get(key) == values), None)


def _hours(record: Mapping[str, Any]) -> int:
    """Count the hours of a month's record."""
    first, last = (np.datetime64(record[key], "h") for key in ("first_hour", "last_hour"))
    return int((last - first) / np.timedelta64(1, "h")) + 1
