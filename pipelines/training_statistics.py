"""Statistics of a training split, in float64, streamed by Dask.

Every hour is summed up by itself and the hours are then put together in time order, so that
the result does not depend on how time was cut into chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np

from pipelines.errors import DataError

__all__ = ["DIFFERENCE_HOURS", "TrainingStatistics", "training_statistics"]

DIFFERENCE_HOURS = 6


@dataclass(frozen=True, eq=False)
class TrainingStatistics:
    """Numbers a channel, in physical units.

    Attributes:
        mean: mean over hours and points of the training split.
        std: standard deviation (of the population) over the same.
        difference_std: standard deviation of x(t + 6 h) - x(t), both in the training split.
    """

    mean: np.ndarray
    std: np.ndarray
    difference_std: np.ndarray


def training_statistics(
    fields: da.Array, *, times: np.ndarray, in_train: np.ndarray, channels: Sequence[str]
) -> TrainingStatistics:
    """Compute mean, std and std of 6-hour differences; check all hours on the way.

    Args:
        fields: (time, channel, latitude, longitude), physical units; all splits.
        times: their hours, datetime64[h].
        in_train: True for the hours of the training split.
        channels: labels, for messages.

    Raises:
        DataError: if a value is missing in any hour, a channel is constant in the training
            split, or the split has no two hours 6 hours apart.
    """
    later, earlier = _pairs(times, in_train)
    whole = fields.rechunk({1: -1, 2: -1, 3: -1})
    moments = whole.map_blocks(
        _block_moments, dtype=np.float64, chunks=(*whole.chunks[:2], (5,)), drop_axis=3
    )
    ends = _rows(whole, later)
    differences = da.map_blocks(
        _block_difference_moments,
        ends,
        _rows(whole, earlier).rechunk(ends.chunks),
        dtype=np.float64,
        chunks=(*ends.chunks[:2], (2,)),
        drop_axis=3,
    )
    moments, differences = dask.compute(moments, differences)
    _check_complete(moments[:, :, 4], times, channels)
    train = moments[in_train]
    for label, low, high in zip(
        channels, train[:, :, 2].min(axis=0), train[:, :, 3].max(axis=0), strict=True
    ):
        if low == high:
            raise DataError(
                f"channel {label} is {low:g} everywhere in the training split; "
                "expected one that varies (a constant cannot be normalized)"
            )
    mean, std = _merge(train[:, :, 0], train[:, :, 1])
    _, difference_std = _merge(differences[:, :, 0], differences[:, :, 1])
    return TrainingStatistics(mean, std, difference_std)


def _pairs(times: np.ndarray, in_train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find positions of hours exactly 6 hours apart, both in the training split."""
    earlier = np.flatnonzero(in_train)
    wanted = times[earlier] + np.timedelta64(DIFFERENCE_HOURS, "h")
    later = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    found = (times[later] == wanted) & in_train[later]
    if not found.any():
        raise DataError(
            f"the training split has {in_train.sum()} hours, no two of them "
            f"{DIFFERENCE_HOURS} hours apart; expected at least {DIFFERENCE_HOURS + 1} hours"
        )
    return later[found], earlier[found]


def _rows(fields: da.Array, positions: np.ndarray) -> da.Array:
    """Take rows; a slice, far lighter for Dask, where they are next to each other."""
    if positions[-1] - positions[0] + 1 == len(positions):
        return fields[int(positions[0]) : int(positions[-1]) + 1]
    return fields[positions]


def _block_moments(fields: np.ndarray) -> np.ndarray:
    """Give mean, variance, smallest, largest value and number of missing points an hour."""
    out = np.empty((*fields.shape[:2], 5))
    for row, hour in zip(out, fields, strict=True):
        values = hour.reshape(len(hour), -1).astype(np.float64)
        row[:, 0], row[:, 1] = _moments(values)
        row[:, 2], row[:, 3] = values.min(axis=1), values.max(axis=1)
        row[:, 4] = (~np.isfinite(values)).sum(axis=1)
    return out


def _block_difference_moments(later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """Give mean and variance of the differences an hour."""
    out = np.empty((*later.shape[:2], 2))
    for row, end, start in zip(out, later, earlier, strict=True):
        difference = end.astype(np.float64) - start.astype(np.float64)
        row[:, 0], row[:, 1] = _moments(difference.reshape(len(difference), -1))
    return out


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give mean and variance of every row."""
    mean = values.mean(axis=1)
    return mean, np.square(values - mean[:, None]).mean(axis=1)


def _merge(means: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put hours of equal size together: variance within them plus variance between them.

    Source: Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115.
    """
    mean = means.mean(axis=0)
    return mean, np.sqrt(variances.mean(axis=0) + np.square(means - mean).mean(axis=0))


def _check_complete(missing: np.ndarray, times: np.ndarray, channels: Sequence[str]) -> None:
    """Refuse missing values anywhere: no window may hold one."""
    if missing.any():
        hour, channel = np.argwhere(missing)[0]
        raise DataError(
            f"channel {channels[channel]} has no finite value at {int(missing[hour, channel])} "
            f"points at {times[hour]} (and such points in {int((missing > 0).any(axis=1).sum())} "
            "hours in all); expected a value everywhere in every hour of a training set"
        )
