"""Image sequences on a time axis: one a day, its frames an hour apart from hour 00 on.

The hours that are left of each day keep sequences apart, so that a window as long as a
sequence exists exactly once in each, and all that is said in dates - splits, windows, init
times - holds for images as for weather. Days are counted from 2000-01-01 and mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from pipelines.errors import DataError
from pipelines.period import Period
from pipelines.training_sets.splits import Splits

__all__ = [
    "FIRST_DAY",
    "IMAGE_SEQUENCES",
    "MOST_FRAMES",
    "SequenceFiles",
    "SequenceReader",
    "SequenceSource",
    "sequence_counts",
    "sequence_hours",
    "sequence_splits",
]

IMAGE_SEQUENCES = "image_sequences"
"""What such a data set's configuration and training set say of their form."""
FIRST_DAY = np.datetime64("2000-01-01", "D")
MOST_FRAMES = 23
"""Frames of a sequence; one more would touch the next day."""


@dataclass(frozen=True)
class SequenceFiles:
    """The input files of a data set, as they are now.

    Attributes:
        snapshot_id: names their content, as an archive's snapshot does.
    """

    snapshot_id: str


class SequenceReader(Protocol):
    """Gives sequences by number.

    Attributes:
        channels: labels, in order; the values are in units of 1.
        num_frames: of a sequence.
        image_shape: rows and columns.
    """

    channels: tuple[str, ...]
    num_frames: int
    image_shape: tuple[int, int]

    def read(self, split: str, numbers: range) -> np.ndarray:
        """Give sequences of a split: (sequence, frame, channel, row, column), float32."""
        ...


@runtime_checkable
class SequenceSource(Protocol):
    """Where sequences come from. Frozen dataclass; its fields are its settings."""

    @property
    def name(self) -> str:
        """Short name for metadata."""
        ...

    @property
    def attribution(self) -> str | None:
        """Sentence that must be shown with the data, or None."""
        ...

    def files(self) -> SequenceFiles:
        """Look at the input files.

        Raises:
            DataError: if one is absent.
        """
        ...

    def open(self, counts: Mapping[str, int]) -> SequenceReader:
        """Read the input files; `counts` says how many sequences each split has.

        Raises:
            DataError: if a file is not what it must be, or holds another number.
        """
        ...


def sequence_splits(*, num_train: int, num_validation: int, num_test: int) -> Splits:
    """Give splits of so many sequences, one after the other.

    Args:
        num_train: sequences to train on.
        num_validation: sequences to choose a model by; 0: the test sequences, as published
            numbers were made.
        num_test: sequences to score.

    Raises:
        ValueError: if there are none to train on or to score.
    """
    if min(num_train, num_test) < 1 or num_validation < 0:
        raise ValueError(
            f"num_train, num_validation and num_test are {num_train}, {num_validation} and "
            f"{num_test}; expected at least 1, 0 and 1"
        )
    ends = np.cumsum([0, num_train, num_validation, num_test])
    train, validation, test = (
        Period(str(FIRST_DAY + int(start)), str(FIRST_DAY + int(stop) - 1))
        if stop > start
        else None
        for start, stop in zip(ends, ends[1:], strict=False)
    )
    assert train is not None and test is not None
    return Splits(train, validation or test, test)


def sequence_counts(splits: Splits) -> dict[str, int]:
    """Give the number of sequences by split, in order; no validation where it is the test.

    Raises:
        DataError: if the splits are not whole days from `FIRST_DAY` on, without a gap.
    """
    periods = splits.periods()
    if splits.validates_on_test:
        del periods["validation"]
    counts, day = {}, FIRST_DAY
    for name, period in periods.items():
        hours = len(period.hours())
        if period.first != day.astype("datetime64[h]") or hours % 24 != 0:
            raise DataError(
                f"split {name} is {period}; expected whole days from {day} on, one a sequence: "
                "give the splits as numbers of sequences"
            )
        counts[name] = hours // 24
        day = day + hours // 24
    return counts


def sequence_hours(num_sequences: int, num_frames: int) -> np.ndarray:
    """Give the hours of all frames, datetime64[h], in order."""
    days = FIRST_DAY.astype("datetime64[h]") + 24 * np.arange(num_sequences)
    hours: np.ndarray = (days[:, None] + np.arange(num_frames)).ravel()
    return hours
