"""The three kinds of tasks that build a training set, each on a part of its own.

A task reads and writes files under names that its item holds and gives back small arrays. Its
result appears under its name at once, so it may be killed or run twice.
"""

import errno
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.climatology import ClimatologyAccumulator
from met2net.data.fields import chunk_path
from met2net.data.normalization import Normalizer
from met2net.data.training_statistics import (
    DIFFERENCE_HOURS,
    difference_moments,
    hourly_moments,
    pairs,
)
from met2net.data.valid_points import ValidPoints
from met2net.data.variables import channel
from pipelines.archive.check import DAMAGE
from pipelines.archive.state import ArchiveState
from pipelines.archive.storage import cause_of
from pipelines.atomic import replacing
from pipelines.errors import DataError

__all__ = [
    "ClimatologyPart", "FieldBlock", "average", "extract", "normalize", "read_hours", "row_bytes",
]  # fmt: skip

_DAY = 24  # hours in a chunk of the archive
_NO_SUCH_CALL = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # of some file systems


@dataclass(frozen=True, eq=False)
class FieldBlock:
    """Some hours of all channels.

    Attributes:
        archive: where fields come from.
        channels: labels, in order.
        grid_shape: latitudes and longitudes.
        first_hour: position in the archive of the training set's first hour.
        start: first hour of the block, counted from there.
        times: hours of the block and up to 6 before it in the archive, datetime64[h].
        in_train: True for those of them in the training split.
        difference: time between the fields of a difference [h].
        num_hours: of the block.
        chunk_hours: hours in a chunk of the training set; the block is some whole chunks.
        physical: file of the block's fields in physical units, between two stages.
        data: folder of the training set's array.
        task_bytes: memory for fields.
        valid: points with a value; None: all of them.
    """

    archive: ArchiveState
    channels: tuple[str, ...]
    grid_shape: tuple[int, int]
    first_hour: int
    start: int
    times: np.ndarray
    in_train: np.ndarray
    difference: int
    num_hours: int
    chunk_hours: int
    physical: Path
    data: Path
    task_bytes: int
    valid: ValidPoints | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Channels, hours, latitudes and longitudes: a channel's fields lie together."""
        return (len(self.channels), self.num_hours, *self.grid_shape)


def extract(block: FieldBlock) -> tuple[np.ndarray, np.ndarray]:
    """Copy a block from the archive to its file; summarize it.

    Every day of the archive is decoded once, except for the day before a block, whose last
    hours are needed for differences.

    Returns:
        Moments of every hour (hour, channel, 5), and of the differences of every pair of
        training hours whose later one is in the block (pair, channel, 2).
    """
    moments = np.empty((block.num_hours, len(block.channels), 5))
    num_before = len(block.times) - block.num_hours
    later, earlier = pairs(block.times, block.in_train, difference=block.difference)
    later, earlier = later[later >= num_before], earlier[later >= num_before]
    differences = np.empty((len(later), len(block.channels), 2))
    with replacing(block.physical) as file:
        fields = _new_map(file, block.shape)
        for number, label in enumerate(block.channels):
            before = None
            valid = None if block.valid is None else block.valid.mask[number]
            for rows, values in _steps(block, label, num_before):
                known = values if before is None else np.concatenate([before, values])
                offset = rows.stop - len(known)  # position of `known` among the block's times
                here = (later >= rows.start) & (later < rows.stop)
                differences[here, number] = difference_moments(
                    known[later[here] - offset], known[earlier[here] - offset], valid=valid
                )
                inside = slice(max(rows.start, num_before) - rows.start, None)
                target = slice(max(rows.start, num_before) - num_before, rows.stop - num_before)
                fields[number, target] = values[inside]
                moments[target, number] = hourly_moments(values[inside], valid=valid)
                before = known[-DIFFERENCE_HOURS:].copy()
        fields.flush()
    return moments, differences


def normalize(item: tuple[FieldBlock, Normalizer]) -> None:
    """Write a block's chunks of the training set; remove its file in physical units."""
    block, normalizer = item
    last = chunk_path(block.data, (block.start + block.num_hours - 1) // block.chunk_hours)
    if not block.physical.exists() and last.exists():
        return  # another run of this task was here
    fields = np.memmap(block.physical, "<f4", "r", shape=block.shape)
    mean, std = (np.array(x)[:, None, None, None] for x in (normalizer.mean, normalizer.std))
    step = max(1, block.task_bytes // (len(block.channels) * row_bytes(block.grid_shape)))
    for start in range(0, block.num_hours, block.chunk_hours):
        path = chunk_path(block.data, (block.start + start) // block.chunk_hours)
        stop = min(start + block.chunk_hours, block.num_hours)
        with replacing(path) as file:
            shape = (block.chunk_hours, len(block.channels), *block.grid_shape)
            chunk = _new_map(file, shape)
            for first in range(start, stop, step):
                rows = slice(first, min(first + step, stop))
                values = fields[:, rows].astype(np.float64)  # stored in float32
                values -= mean
                values /= std
                by_hour = values.swapaxes(0, 1)
                if block.valid is not None:
                    block.valid.fill(by_hour)
                chunk[rows.start - start : rows.stop - start] = by_hour
            chunk.flush()
    block.physical.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class ClimatologyPart:
    """Some channels and rows of the climatology: one chunk.

    Attributes:
        data: folder of the training set's array of fields.
        shape: of that array.
        chunk_hours: hours in its chunks.
        times: file with hours since the epoch, and 1 for those of the training split.
        by_day: by day of year and hour of day, or by hour of day alone.
        smoothing_days: width of the running mean.
        channels: which.
        rows: which latitudes.
        path: file of the chunk.
    """

    data: Path
    shape: tuple[int, int, int, int]
    chunk_hours: int
    times: Path
    by_day: bool
    smoothing_days: int
    channels: slice
    rows: slice
    path: Path


def average(part: ClimatologyPart) -> None:
    """Average the training split as it was written; write the chunk.

    Raises:
        DataError: if an hour of day or a day of the year has no hours near it.
    """
    num_channels = len(range(*part.channels.indices(part.shape[1])))
    num_rows = len(range(*part.rows.indices(part.shape[2])))
    hours, in_train = np.load(part.times)
    accumulator = ClimatologyAccumulator(
        by_day=part.by_day, shape=(num_channels, num_rows, part.shape[3])
    )
    for start in range(0, part.shape[0], part.chunk_hours):
        inside = in_train[start : start + part.chunk_hours] == 1
        if inside.any():
            chunk = np.memmap(
                chunk_path(part.data, start // part.chunk_hours), "<f4", "r",
                shape=(part.chunk_hours, *part.shape[1:]),
            )  # fmt: skip
            fields = chunk[: len(inside), part.channels, part.rows]
            for first in range(0, len(inside), _DAY):
                rows = slice(first, first + _DAY)
                known = hours[start : start + part.chunk_hours][rows]
                accumulator.add(fields[rows][inside[rows]], known[inside[rows]])
    try:
        climatology = accumulator.finish(smoothing_days=part.smoothing_days)
    except ValueError as error:
        raise DataError(f"no climatology of the training split: {error}") from error
    with replacing(part.path) as file:
        np.asarray(climatology.values).tofile(file)


def _new_map(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """Map a new file whose room on the disk is taken already.

    Room that a full disk lacks is an error here; a map would end the process by a signal.
    (macOS has no such call, and some file systems refuse it; there it still would.)
    """
    size = 4 * math.prod(shape)
    with path.open("wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in _NO_SUCH_CALL:
                    raise
    return np.memmap(path, "<f4", "r+", shape=shape)


def row_bytes(grid_shape: tuple[int, int]) -> int:
    """Give the memory that work on one field takes: decoded, copied, and in float64."""
    return 24 * int(np.prod(grid_shape))


def _steps(block: FieldBlock, label: str, num_before: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Read a channel of the block and the hours before it, by whole days of the archive."""
    origin = block.first_hour + block.start - num_before  # of `times`, in the archive
    days = max(1, block.task_bytes // (_DAY * row_bytes(block.grid_shape)))
    end = origin + len(block.times)
    edges = [origin, *range((origin // _DAY + days) * _DAY, end, days * _DAY), end]
    field = _channel(_open(block.archive), label)
    for start, stop in zip(edges, edges[1:], strict=False):
        # This task is one of those that Dask runs at once; it starts none of its own.
        part = field.isel(time=slice(start, stop))
        yield slice(start - origin, stop - origin), _read(part, block.archive, label)


def read_hours(archive: ArchiveState, label: str, hours: slice) -> np.ndarray:
    """Read some hours of a channel, by their places in the archive: (time, latitude, longitude).

    Raises:
        DataError: if they are damaged.
    """
    return _read(_channel(_open(archive), label).isel(time=hours), archive, label)


def _read(part: xr.DataArray, archive: ArchiveState, label: str) -> np.ndarray:
    """Read values; refuse damaged ones by name."""
    try:
        values: np.ndarray = part.compute(scheduler="synchronous").values
    except DAMAGE as error:
        first, last = part["time"].values[[0, -1]].astype("datetime64[h]")
        raise DataError(
            f"archive {archive.path}: {label} cannot be read from {first} to {last} "
            f"({cause_of(error)}); expected sound chunks: flows/archive.py action=check names "
            "the damaged months, and flows/backfill.py replace=true writes them again"
        ) from error
    return values


def _channel(dataset: xr.Dataset, label: str) -> xr.DataArray:
    """Give a channel's fields (time, latitude, longitude)."""
    parsed = channel(label)
    array = dataset[parsed.variable.name]
    return array if parsed.level is None else array.sel(level=parsed.level)


@lru_cache(maxsize=2)
def _open(archive: ArchiveState) -> xr.Dataset:
    """Open an archive once a process; a state never changes."""
    return archive.open()
