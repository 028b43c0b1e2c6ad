"""Statistics of a split that is not trained on: a habit of published numbers alone."""

import numpy as np

from met2net.data.normalization import Normalizer
from met2net.data.training_set import TrainingSet
from met2net.data.training_statistics import hourly_moments, merge_moments
from pipelines.errors import as_data_error

__all__ = ["split_normalizer"]

_HOURS = 256  # read at once


def split_normalizer(data: TrainingSet, split: str) -> Normalizer:
    """Give the normalization that a split would have by its own hours, by the set's method.

    The released code normalizes every split so, and brings forecasts back by the scored split's
    statistics, which no forecaster can know beforehand.

    Raises:
        DataError: if a channel is constant in the split.
    """
    rows = np.flatnonzero(data.in_split(split))
    moments = []
    for start in range(0, len(rows), _HOURS):
        fields = np.asarray(data.fields[rows[start : start + _HOURS]])
        by_channel = [
            hourly_moments(x if data.valid is None else x[:, data.valid.mask[number]])
            for number, x in enumerate(fields.swapaxes(0, 1))
        ]
        moments.append(np.stack(by_channel, axis=1))
    with as_data_error():
        mean, std, minimum, maximum = merge_moments(
            np.concatenate(moments), channels=data.channels, split=split
        )
    scale, shift = np.asarray(data.normalizer.std), np.asarray(data.normalizer.mean)
    return Normalizer.from_statistics(
        data.channels,
        method=data.attrs["normalization"],
        mean=mean * scale + shift,
        std=std * scale,
        minimum=minimum * scale + shift,
        maximum=maximum * scale + shift,
    )
