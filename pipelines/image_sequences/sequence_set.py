"""Build a training set of image sequences: the same store as weather has."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import met2net
from met2net.data.channel_groups import channel_labels, check_variables
from met2net.data.normalization import Method, Normalizer, check_method
from met2net.data.training_set import SPLITS, VALIDATION_AND_TEST
from met2net.data.training_statistics import (
    DIFFERENCE_HOURS,
    TrainingStatistics,
    difference_moments,
    hourly_moments,
    merge_statistics,
)
from pipelines.atomic import replacing
from pipelines.errors import DataError, as_data_error
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.image_sequences.chunk_writer import ChunkWriter
from pipelines.image_sequences.sequences import (
    IMAGE_SEQUENCES,
    SequenceReader,
    SequenceSource,
    sequence_counts,
    sequence_hours,
)
from pipelines.training_sets.layout import Layout, chunk_hours_for, write_metadata
from pipelines.training_sets.prepare import build_once
from pipelines.training_sets.splits import Splits

__all__ = ["FORMAT_VERSION", "PIXEL_DEGREES", "SequenceSetSettings", "build_sequence_set"]

FORMAT_VERSION = 1
"""Raised whenever the same settings would give another store."""
PIXEL_DEGREES = 0.001
"""Pixels lie this far apart on a grid about 0 N 0 E, where all weigh the same to 1 in 10^5."""

_SEQUENCES = 16  # made at once; sums do not depend on it
_DAY = 24


@dataclass(frozen=True)
class SequenceSetSettings:
    """What a training set of image sequences is made of.

    Attributes:
        variables: group name -> channel labels of the source, as {"mnist": ("mnist",)}.
        splits: see `sequences.sequence_splits`.
        normalization: see `met2net.data.normalization`; benchmarks of images use `none`.

    Raises:
        ValueError: if there is no group, one is empty, a channel is named twice, or there is no
            such normalization.
    """

    variables: Mapping[str, tuple[str, ...]]
    splits: Splits
    normalization: Method = "none"

    def __post_init__(self) -> None:
        """Check groups and labels."""
        object.__setattr__(self, "variables", check_variables(self.variables))
        check_method(self.normalization)

    @property
    def channels(self) -> tuple[str, ...]:
        """All labels, group after group."""
        return channel_labels(self.variables)

    @property
    def identity(self) -> list[Any]:
        """What a set follows from beside its source."""
        return [self.variables, self.splits.identity, self.normalization]


def build_sequence_set(
    source: SequenceSource, settings: SequenceSetSettings, *, folder: Path
) -> Path:
    """Build the training set of some sequences, or find it built already.

    Climatology is the training split's mean image by frame number: frame n of every sequence
    lies at hour n of a day.

    Args:
        source: where sequences come from.
        settings: channels, splits, normalization.
        folder: where training sets are kept; the store is `<fingerprint>.zarr` in it.

    Returns:
        The store's path.

    Raises:
        DataError: if input files are not what they must be, or a channel is constant.
    """
    snapshot_id = source.files().snapshot_id
    name = fingerprint(settings.identity, settings.channels, source, snapshot_id, FORMAT_VERSION)
    attrs = {
        "settings": json.dumps(to_plain(settings) | {"source": to_plain(source)}),
        "fingerprint": name,
        "archive_snapshot": snapshot_id,
        "source": source.name,
        "attribution": source.attribution or "",
        "code_version": met2net.__version__,
        "variables": json.dumps(settings.variables),
        "normalization": settings.normalization,
        "form": IMAGE_SEQUENCES,
    }
    return build_once(
        lambda path: _write_store(source, settings, path=path, attrs=attrs),
        name=name,
        folder=folder,
    )


def _write_store(
    source: SequenceSource, settings: SequenceSetSettings, *, path: Path, attrs: dict[str, str]
) -> None:
    """Write a whole store; chunks lie beside it until all are there."""
    counts = sequence_counts(settings.splits)
    reader = source.open(counts)
    absent = [label for label in settings.channels if label not in reader.channels]
    if absent:
        raise DataError(
            f"{source.name} has channels {', '.join(reader.channels)}; found {absent[0]!r}"
        )
    times = sequence_hours(sum(counts.values()), reader.num_frames)
    shape = (len(times), len(settings.channels), *reader.image_shape)
    layout = Layout(
        shape, chunk_hours_for(shape), (1, _DAY, *shape[1:]), (shape[1], shape[2])
    )  # fmt: skip
    scratch = path.with_name("scratch")
    normalizer, statistics, means = _write_fields(
        reader, settings, counts=counts, times=times, layout=layout, data=scratch / "data"
    )
    _write_climatology(means, normalizer, scratch / "climatology")
    split = np.repeat(
        np.array([SPLITS[name] for name in counts], dtype=np.int8),
        [number * reader.num_frames for number in counts.values()],
    )
    if settings.splits.validates_on_test:
        split[split == SPLITS["test"]] = VALIDATION_AND_TEST
    write_metadata(
        path, layout, axes=_axes(reader.image_shape, len(times)), times=times, split=split,
        statistics=statistics, channels=settings.channels, units=["1"] * shape[1], attrs=attrs,
    )  # fmt: skip
    for array in ("data", "climatology"):
        (scratch / array / "c").rename(path / array / "c")


def _write_fields(
    reader: SequenceReader,
    settings: SequenceSetSettings,
    *,
    counts: Mapping[str, int],
    times: np.ndarray,
    layout: Layout,
    data: Path,
) -> tuple[Normalizer, TrainingStatistics, np.ndarray]:
    """Write all frames; give statistics and the mean of each frame of the training split."""
    num_frames, channels = reader.num_frames, settings.channels
    in_train = np.arange(len(times)) < counts["train"] * num_frames
    moments = np.empty((len(times), len(channels), 5))
    differences = []
    sums = np.zeros((num_frames, *layout.fields[1:]))
    chunks = ChunkWriter(layout, data)
    done = 0
    for split, sequences in _blocks(reader, channels, counts):
        rows = slice(done, done + len(sequences) * num_frames)
        frames = sequences.reshape(-1, *layout.fields[1:])
        for number in range(len(channels)):
            moments[rows, number] = hourly_moments(frames[:, number])
        if split == "train":
            for sequence in sequences.astype(np.float64):
                sums += sequence
            differences.append(_differences(sequences))
        chunks.add(frames)
        done = rows.stop
    chunks.finish()
    with as_data_error():
        statistics = merge_statistics(
            moments, np.concatenate(differences), times=times, in_train=in_train, channels=channels
        )
    normalizer = Normalizer.from_statistics(
        channels, method=settings.normalization, mean=statistics.mean, std=statistics.std,
        minimum=statistics.minimum, maximum=statistics.maximum,
    )  # fmt: skip
    chunks.normalize(normalizer)
    return normalizer, statistics, sums / counts["train"]


def _blocks(
    reader: SequenceReader, channels: tuple[str, ...], counts: Mapping[str, int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Read some sequences at a time: (sequence, frame, channel, row, column)."""
    order = [reader.channels.index(label) for label in channels]
    for split, number in counts.items():
        for start in range(0, number, _SEQUENCES):
            sequences = reader.read(split, range(start, min(start + _SEQUENCES, number)))
            yield split, np.ascontiguousarray(sequences[:, :, order])


def _differences(sequences: np.ndarray) -> np.ndarray:
    """Summarize differences of frames 6 hours apart, within sequences alone."""
    later, earlier = sequences[:, DIFFERENCE_HOURS:], sequences[:, :-DIFFERENCE_HOURS]
    by_channel = [
        difference_moments(*(x[:, :, number].reshape(-1, *x.shape[3:]) for x in (later, earlier)))
        for number in range(sequences.shape[2])
    ]
    return np.stack(by_channel, axis=1)


def _write_climatology(means: np.ndarray, normalizer: Normalizer, array: Path) -> None:
    """Write the mean of each frame; the hours after the last one get the mean of all."""
    mean, std = (np.array(x)[:, None, None] for x in (normalizer.mean, normalizer.std))
    slots = np.broadcast_to(means.mean(axis=0), (_DAY, *means.shape[1:])).copy()
    slots[: len(means)] = means
    path = array / "c" / "0" / "0" / "0" / "0" / "0"
    with replacing(path) as file:
        ((slots - mean) / std).astype("<f4").tofile(file)


def _axes(image_shape: tuple[int, int], num_frames: int) -> xr.Dataset:
    """Put the pixels on a small grid at the equator, where they weigh the same."""
    rows, columns = image_shape
    latitude = PIXEL_DEGREES * ((rows - 1) / 2 - np.arange(rows))
    longitude = PIXEL_DEGREES * np.arange(columns)
    note = {"comment": f"pixels, {PIXEL_DEGREES} degrees each: images have no place on Earth"}
    return xr.Dataset(
        {"expver": ("time", np.full(num_frames, "none"))},
        coords={
            "latitude": ("latitude", latitude, {"units": "degrees_north", **note}),
            "longitude": ("longitude", longitude, {"units": "degrees_east", **note}),
        },
    )
