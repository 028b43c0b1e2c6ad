"""Sums over some hours of a training set, from which drift is told."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from met2net.data.training_set import TrainingSet
from met2net.data.variables import channel

__all__ = ["QUANTILES", "DriftSample"]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

_PART = 128  # hours read at once
_EDGE, _BIN = 20.0, 0.01  # of the histogram, in standard deviations
_SLACK = 1e-4  # what float32 may add to the largest value of the training split


@dataclass(frozen=True, eq=False)
class DriftSample:
    """What drift is measured by, one a channel, in standard deviations from the training mean.

    Attributes:
        mean: of all values.
        std: of all values.
        roughness: root mean square of changes from an hour to the next.
        histogram: counts of values (channel, bin).
        outside_share: share of values beyond the smallest or largest of the training split.
        impossible: number of values outside the variable's physical limits.
    """

    mean: np.ndarray
    std: np.ndarray
    roughness: np.ndarray
    histogram: np.ndarray
    outside_share: np.ndarray
    impossible: np.ndarray

    @classmethod
    def of(cls, data: TrainingSet, rows: np.ndarray, scale: dict[str, np.ndarray]) -> "DriftSample":
        """Stream some hours, by their places in the training set.

        Args:
            data: the training set.
            rows: places of the hours, in order.
            scale: `mean`, `std`, `minimum` and `maximum` of the training split, one a channel.
        """
        if data.valid is None:
            everywhere = np.arange(len(data.channels))
            return cls._of(data, rows, scale, channels=everywhere, points=None)
        groups = data.valid.groups()
        parts = [
            cls._of(data, rows, scale, channels=channels, points=points)
            for channels, points in groups
        ]
        order = np.argsort(np.concatenate([channels for channels, _ in groups]))
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts])[order]
                     for each in fields(cls)))  # fmt: skip

    @classmethod
    def _of(
        cls,
        data: TrainingSet,
        rows: np.ndarray,
        scale: dict[str, np.ndarray],
        *,
        channels: np.ndarray,
        points: np.ndarray | None,
    ) -> "DriftSample":
        """Stream some hours of channels, by their places, at some points (None: all)."""
        num = len(channels)
        bins = round(2 * _EDGE / _BIN)
        count = 0
        total, squares, changes, outside = (np.zeros(num) for _ in range(4))
        impossible, num_changes = np.zeros(num, dtype=int), 0
        histogram = np.zeros((num, bins))
        low, high = (ends[channels] for ends in _limits(data, scale))
        ends = [((scale[name] - scale["mean"]) / scale["std"])[channels]
                for name in ("minimum", "maximum")]  # fmt: skip
        step = int(np.diff(data.hours).min()) if len(data.hours) > 1 else 1
        for values, hours in _parts(data, rows, scale, channels=channels, points=points):
            count += values.shape[1]
            total += values.sum(axis=1)
            squares += np.square(values).sum(axis=1)
            outside += ((values < ends[0][:, None] - _SLACK) | (values > ends[1][:, None] + _SLACK)
                        ).sum(axis=1)  # fmt: skip
            impossible += ((values < low[:, None]) | (values > high[:, None])).sum(axis=1)
            inside = np.clip(values, -_EDGE, _EDGE - _BIN / 2)
            for place in range(num):
                histogram[place] += np.histogram(inside[place], bins, (-_EDGE, _EDGE))[0]
            by_hour = values.reshape(num, len(hours), -1)
            follows = np.diff(hours) == step
            difference = np.diff(by_hour, axis=1)[:, follows]
            changes += np.square(difference).sum(axis=(1, 2))
            num_changes += difference[0].size
        mean = total / count
        return cls(
            mean=mean,
            std=np.sqrt(np.maximum(squares / count - mean**2, 1e-12)),
            roughness=np.sqrt(changes / max(num_changes, 1)) + 1e-6,
            histogram=histogram,
            outside_share=outside / count,
            impossible=impossible,
        )

    def quantiles(self, place: int) -> np.ndarray:
        """Read quantiles off the histogram, to a hundredth of a standard deviation."""
        share = np.cumsum(self.histogram[place]) / self.histogram[place].sum()
        edges = -_EDGE + _BIN * np.arange(1, len(share) + 1)
        return np.asarray(edges[np.searchsorted(share, QUANTILES)])


def _parts(
    data: TrainingSet,
    rows: np.ndarray,
    scale: dict[str, np.ndarray],
    *,
    channels: np.ndarray,
    points: np.ndarray | None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read some hours at a time: values (channel, hour x point), and their hours."""
    mean, std = (np.asarray(x) for x in (data.normalizer.mean, data.normalizer.std))
    factor = (std / scale["std"])[channels]
    offset = ((mean - scale["mean"]) / scale["std"])[channels]
    for start in range(0, len(rows), _PART):
        part = rows[start : start + _PART]
        read = np.asarray(data.fields[part], dtype=np.float64)
        if points is not None:
            read = read[:, channels][..., points]
        values = np.moveaxis(read, 1, 0).reshape(len(factor), -1)
        yield values * factor[:, None] + offset[:, None], data.hours[part]


def _limits(data: TrainingSet, scale: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Give the physical limits in standard deviations from the mean, a little wide."""
    ranges = np.array([channel(label).variable.valid_range for label in data.channels])
    bounds = (ranges - scale["mean"][:, None]) / scale["std"][:, None]
    return bounds[:, 0] - 1e-3, bounds[:, 1] + 1e-3
