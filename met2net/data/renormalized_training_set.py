"""A training set read in another normalization than it was stored in.

Weights hold for inputs that are scaled as they were in training. Where a training goes on from
a network's weights with newer data, it keeps that network's normalization: the newer training
set's fields are converted as they are read.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from met2net.data.climatology import Climatology, MeanFields
from met2net.data.fields import StoredFields
from met2net.data.normalization import Normalizer, conversion
from met2net.data.training_set import TrainingSet
from met2net.data.valid_points import ValidPoints

__all__ = ["with_normalizer"]


def with_normalizer(data: TrainingSet, normalizer: Normalizer) -> TrainingSet:
    """Give the same training set with its fields and climatology in another normalization.

    Raises:
        ValueError: if the channels differ, or the fields are not those on disk.
    """
    columns = [x.astype(np.float32) for x in conversion(data.normalizer, normalizer)]
    if not isinstance(data.fields, StoredFields):
        raise ValueError("the fields are in memory already; expected those on disk")
    return replace(
        data,
        fields=_RenormalizedFields(data.fields, factor=columns[0], offset=columns[1]),
        climatology=Climatology(
            _RenormalizedMeans(
                data.climatology.values, factor=columns[0], offset=columns[1], valid=data.valid
            )
        ),
        normalizer=normalizer,
    )


class _RenormalizedFields(StoredFields):
    """Stored fields that are converted as they are read: x * factor + offset."""

    def __init__(
        self,
        stored: StoredFields,
        *,
        factor: Float32[np.ndarray, "c 1 1"],
        offset: Float32[np.ndarray, "c 1 1"],
    ) -> None:
        """Read what `stored` reads."""
        self.__dict__.update(stored.__dict__)
        self._factor, self._offset = factor, offset

    def _copy(self, rows: Int64[np.ndarray, " n"], out: Float32[np.ndarray, "n c h w"]) -> None:
        """Copy some hours, converted."""
        super()._copy(rows, out)
        np.multiply(out, self._factor, out=out)
        np.add(out, self._offset, out=out)


class _RenormalizedMeans:
    """A climatology's fields that are converted as they are looked up."""

    def __init__(
        self,
        means: MeanFields,
        *,
        factor: Float32[np.ndarray, "c 1 1"],
        offset: Float32[np.ndarray, "c 1 1"],
        valid: ValidPoints | None,
    ) -> None:
        """Look up in `means`."""
        self.shape = means.shape
        self._means, self._factor, self._offset = means, factor, offset
        self._valid = valid

    def __getitem__(self, slots: tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]) -> Any:
        """Give some fields, converted."""
        fields = self._means[slots] * self._factor + self._offset
        if self._valid is not None:
            self._valid.fill(fields)
        return fields
