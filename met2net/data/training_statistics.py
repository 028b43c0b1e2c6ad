"""Statistics of a training split, in float64, from sums of single hours.

Every hour of every channel is summed up by itself, wherever its task runs, and the hours are
then put together in time order. So neither chunks nor workers nor their order change a bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "DIFFERENCE_HOURS",
    "TrainingStatistics",
    "difference_hours",
    "difference_moments",
    "hourly_moments",
    "merge_moments",
    "merge_statistics",
    "pairs",
]

DIFFERENCE_HOURS = 6
"""Time between the fields of a difference [h], where the time step allows it."""

_POINTS = 2**16  # worked on at once, so that float64 copies stay small


@dataclass(frozen=True, eq=False)
class TrainingStatistics:
    """Numbers a channel, in physical units.

    Attributes:
        mean: mean over hours and points of the training split.
        std: standard deviation (of the population) over the same.
        minimum: smallest value of the same.
        maximum: largest value of the same.
        difference_std: standard deviation of x(t + 6 h) - x(t), both in the training split; of
            other differences where the time step does not divide 6 h (see `difference_hours`).
    """

    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    difference_std: np.ndarray


def difference_hours(step_hours: int) -> int:
    """Give the time between the fields of a difference: 6 h, or what next a time step allows."""
    return -(-DIFFERENCE_HOURS // step_hours) * step_hours


def pairs(
    times: np.ndarray, in_train: np.ndarray, *, difference: int = DIFFERENCE_HOURS
) -> tuple[np.ndarray, np.ndarray]:
    """Find positions (later, earlier) of hours some hours apart, both in the training split."""
    earlier = np.flatnonzero(in_train)
    wanted = times[earlier] + np.timedelta64(difference, "h")
    later = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    found = (times[later] == wanted) & in_train[later]
    return later[found], earlier[found]


def hourly_moments(fields: np.ndarray, *, valid: np.ndarray | None = None) -> np.ndarray:
    """Summarize every hour of a channel.

    Args:
        fields: (time, latitude, longitude), physical units.
        valid: (latitude, longitude), True for the points that are to have a value; None: all.

    Returns:
        (time, 5) float64: mean, variance, smallest and largest value of the valid points; number
        of points that lack a value, or have one where none is to be.
    """
    if valid is not None and not valid.all():
        out = hourly_moments(fields[:, valid])
        out[:, 4] += np.isfinite(fields[:, ~valid]).sum(axis=1)
        return out
    out = np.empty((len(fields), 5))
    for rows in _groups(fields):
        values = fields[rows].reshape(len(fields[rows]), -1).astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinite values are counted below, then refused
            out[rows, :2] = _moments(values)
        out[rows, 2], out[rows, 3] = values.min(axis=1), values.max(axis=1)
        out[rows, 4] = (~np.isfinite(values)).sum(axis=1)
    return out


def difference_moments(
    later: np.ndarray, earlier: np.ndarray, *, valid: np.ndarray | None = None
) -> np.ndarray:
    """Give mean and variance of the differences of every hour: (time, 2) float64.

    Args:
        later: (time, latitude, longitude).
        earlier: the same.
        valid: (latitude, longitude), True for the points that count; None: all.
    """
    if valid is not None and not valid.all():
        later, earlier = later[:, valid], earlier[:, valid]
    out = np.empty((len(later), 2))
    for rows in _groups(later):
        end, start = (x[rows].astype(np.float64) for x in (later, earlier))
        with np.errstate(invalid="ignore"):
            out[rows] = _moments((end - start).reshape(len(end), -1))
    return out


def merge_statistics(
    moments: np.ndarray,
    differences: np.ndarray,
    *,
    times: np.ndarray,
    in_train: np.ndarray,
    channels: Sequence[str],
    difference: int = DIFFERENCE_HOURS,
    masked: Sequence[str] = (),
) -> TrainingStatistics:
    """Put the hours together in time order; check all of them.

    Args:
        moments: (time, channel, 5) of all splits, see `hourly_moments`.
        differences: (pair, channel, 2) of all pairs of the training split, in time order.
        times: hours, datetime64[h].
        in_train: True for the hours of the training split.
        channels: labels, for messages.
        difference: time between the fields of a pair [h].
        masked: channels that lack a value at the same points at every time.

    Raises:
        ValueError: if a value is missing in any hour (of a masked channel: at other points than
            in the first), a channel is constant in the training
            split, or the split has no two hours so far apart.
    """
    _check_complete(moments[:, :, 4], times, channels, masked)
    if len(differences) == 0:
        raise ValueError(
            f"the training split has {in_train.sum()} hours, no two of them "
            f"{difference} hours apart; expected at least {difference + 1} hours"
        )
    mean, std, minimum, maximum = merge_moments(moments[in_train], channels=channels)
    _, difference_std = _merge(differences[:, :, 0], differences[:, :, 1])
    return TrainingStatistics(mean, std, minimum, maximum, difference_std)


def merge_moments(
    moments: np.ndarray, *, channels: Sequence[str], split: str = "training"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Put the hours of one split together: mean, std, smallest and largest value of channels.

    Raises:
        ValueError: if a channel is constant.
    """
    minimum, maximum = moments[:, :, 2].min(axis=0), moments[:, :, 3].max(axis=0)
    for label, low, high in zip(channels, minimum, maximum, strict=True):
        if low == high:
            raise ValueError(
                f"channel {label} is {low:g} everywhere in the {split} split; "
                "expected one that varies (a constant cannot be normalized)"
            )
    mean, std = _merge(moments[:, :, 0], moments[:, :, 1])
    return mean, std, minimum, maximum


def _groups(fields: np.ndarray) -> list[slice]:
    """Cut hours into groups of about as many points."""
    size = max(1, _POINTS // max(1, fields[0].size)) if len(fields) else 1
    return [slice(start, start + size) for start in range(0, len(fields), size)]


def _moments(values: np.ndarray) -> np.ndarray:
    """Give mean and variance of every row: (rows, 2)."""
    mean = values.mean(axis=1)
    return np.stack([mean, np.square(values - mean[:, None]).mean(axis=1)], axis=1)


def _merge(means: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put hours of equal size together: variance within them plus variance between them.

    Source: Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115.
    """
    mean = means.mean(axis=0)
    return mean, np.sqrt(variances.mean(axis=0) + np.square(means - mean).mean(axis=0))


def _check_complete(
    missing: np.ndarray, times: np.ndarray, channels: Sequence[str], masked: Sequence[str]
) -> None:
    """Refuse missing values anywhere but under a mask that stays: no window may hold one."""
    if missing.any():
        hour, channel = np.argwhere(missing)[0]
        if channels[channel] in masked:
            raise ValueError(
                f"channel {channels[channel]} has a value at other points at {times[hour]} than at "
                f"{times[0]}, the first hour: {int(missing[hour, channel])} points differ; "
                "expected the same points without a value at every hour of a training set"
            )
        raise ValueError(
            f"channel {channels[channel]} has no finite value at {int(missing[hour, channel])} "
            f"points at {times[hour]} (and such points in {int((missing > 0).any(axis=1).sum())} "
            "hours in all); expected a value everywhere in every hour of a training set"
        )
