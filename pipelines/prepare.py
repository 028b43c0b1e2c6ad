"""Build a training set from one snapshot of an archive.

The store's layout is read by `met2net.training_set`. It is built under a temporary name, then
renamed, and named by the fingerprint of everything that it follows from, so that it is found
again and never taken for another.
"""

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import dask.array as da
import filelock
import numpy as np
import xarray as xr
import zarr

import met2net
from met2net.training_set import SPLITS, TrainingSet
from met2net.variables import channel, required_fields
from met2net.verification.climatology import ClimatologyAccumulator, spans_two_years
from pipelines.archive import ArchiveState, open_archive
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.period import Period
from pipelines.training_statistics import TrainingStatistics, training_statistics

__all__ = ["FORMAT_VERSION", "Splits", "TrainingSetSettings", "build_training_set"]

FORMAT_VERSION = 1
"""Raised whenever the same settings would give another store."""

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 16 * 2**20
_SUM_BYTES = 2**30  # float64 sums of the climatology held at once
_DIMS = ("time", "channel", "latitude", "longitude")


@dataclass(frozen=True)
class Splits:
    """Which hours are for training, for choosing a model, and for the final scores.

    Raises:
        ValueError: if two of them share an hour.
    """

    train: Period
    validation: Period
    test: Period

    def __post_init__(self) -> None:
        """Check that no hour is in two splits."""
        for (name, period), (other, other_period) in combinations(self.periods().items(), 2):
            if period.first <= other_period.last and other_period.first <= period.last:
                raise ValueError(
                    f"splits {name} ({period}) and {other} ({other_period}) overlap; "
                    "expected no hour in two splits"
                )

    def periods(self) -> dict[str, Period]:
        """Give the splits by name."""
        return {name: getattr(self, name) for name in SPLITS}


@dataclass(frozen=True)
class TrainingSetSettings:
    """What a training set is made of.

    Attributes:
        variables: group name -> channel labels, in order, as {"uv10": ("u10", "v10")}.
        splits: hours of each split.
        smoothing_days: width of the climatology's running mean over days, odd.

    Raises:
        ValueError: if a group is empty, a channel is unknown or named twice, or
            `smoothing_days` is not odd from 1 to 365.
    """

    variables: Mapping[str, tuple[str, ...]]
    splits: Splits
    smoothing_days: int = 61

    def __post_init__(self) -> None:
        """Check groups and labels."""
        groups = {name: tuple(labels) for name, labels in self.variables.items()}
        object.__setattr__(self, "variables", groups)
        empty = [name for name, labels in groups.items() if not labels]
        if not groups or empty:
            raise ValueError(f"variables {groups} has no channels; expected at least one a group")
        twice = sorted({x for x in self.channels if self.channels.count(x) > 1})
        if twice:
            raise ValueError(f"channels {', '.join(twice)} occur twice; expected each once")
        for label in self.channels:
            channel(label)
        if self.smoothing_days % 2 != 1 or not 1 <= self.smoothing_days <= 365:
            raise ValueError(
                f"smoothing_days is {self.smoothing_days}; expected an odd number from 1 to 365"
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """All labels, group after group."""
        return tuple(label for labels in self.variables.values() for label in labels)


def build_training_set(
    archive: ArchiveState, settings: TrainingSetSettings, *, folder: Path
) -> Path:
    """Build the training set of an archive's snapshot, or find it built already.

    Args:
        archive: the snapshot to build from.
        settings: channels, splits, climatology.
        folder: where training sets are kept; the store is `<fingerprint>.zarr` in it.

    Returns:
        The store's path.

    Raises:
        DataError: if the archive lacks channels or hours, a value is missing, a channel is
            constant, or what stands under the store's name is not that training set.
    """
    # Groups are a mapping, whose order a fingerprint of the settings alone would not see.
    name = fingerprint(settings, settings.channels, archive.snapshot_id, FORMAT_VERSION)
    target = folder / f"{name}.zarr"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f".{name}.lock"):
        if target.exists():
            _check_store(target, name, archive.snapshot_id)
            _log.info("training set %s stands already", name)
            return target
        partial = folder / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
        try:
            _build(archive, settings, name=name, path=partial)
            _check_store(partial, name, archive.snapshot_id)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    _log.info("training set %s built from snapshot %s", name, archive.snapshot_id)
    return target


def _build(archive: ArchiveState, settings: TrainingSetSettings, *, name: str, path: Path) -> None:
    """Write a whole store."""
    dataset = open_archive(Path(archive.path), archive.snapshot_id)
    dataset, split = _select_hours(dataset, settings.splits)
    fields = _stack_channels(dataset, settings.channels)
    in_train = split == SPLITS["train"]
    statistics = training_statistics(
        fields,
        times=dataset["time"].values.astype("datetime64[h]"),
        in_train=in_train,
        channels=settings.channels,
    )
    attrs = {
        "settings": json.dumps(to_plain(settings)),
        "fingerprint": name,
        "archive_snapshot": archive.snapshot_id,
        "source": dataset.attrs["source"],
        "attribution": dataset.attrs["attribution"],
        "code_version": met2net.__version__,
        "variables": json.dumps(settings.variables),
    }
    _write_fields(dataset, fields, split, statistics=statistics, settings=settings, attrs=attrs,
                  path=path)  # fmt: skip
    _write_climatology(path, in_train, smoothing_days=settings.smoothing_days)
    with warnings.catch_warnings():
        # Zarr's specification does not have consolidated metadata yet; xarray and zarr do.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path)


def _select_hours(dataset: xr.Dataset, splits: Splits) -> tuple[xr.Dataset, np.ndarray]:
    """Keep the hours from the first to the last split, and say which split each is in."""
    times = dataset["time"].values.astype("datetime64[h]")
    for name, period in splits.periods().items():
        missing = np.setdiff1d(period.hours(), times)
        if len(missing):
            raise DataError(
                f"split {name} is {period}; the archive holds {times[0]} to {times[-1]}: "
                f"{len(missing)} hours are missing, the first {missing[0]}; "
                "expected every hour of every split"
            )
    periods = list(splits.periods().values())
    whole = (times >= min(p.first for p in periods)) & (times <= max(p.last for p in periods))
    split = np.zeros(len(times), dtype=np.int8)
    for name, period in splits.periods().items():
        split[period.contains(times)] = SPLITS[name]
    return dataset.isel(time=np.flatnonzero(whole)), split[whole]


def _stack_channels(dataset: xr.Dataset, labels: tuple[str, ...]) -> da.Array:
    """Stack channels to (time, channel, latitude, longitude)."""
    for name, levels in required_fields(labels).items():
        if name not in dataset.data_vars:
            raise DataError(
                f"the archive has {', '.join(map(str, dataset.data_vars))}; expected also {name}"
            )
        held = json.loads(dataset.attrs["settings"])["fields"][name]
        absent = [level for level in levels if level not in held]
        if absent:
            raise DataError(
                f"the archive has {name} at {held} hPa; expected also {absent}, for channels "
                f"{', '.join(labels)}"
            )
    arrays = []
    for parsed in map(channel, labels):
        array = dataset[parsed.variable.name]
        arrays.append(array if parsed.level is None else array.sel(level=parsed.level))
    return da.stack([array.data for array in arrays], axis=1)


def _write_fields(
    dataset: xr.Dataset,
    fields: da.Array,
    split: np.ndarray,
    *,
    statistics: TrainingStatistics,
    settings: TrainingSetSettings,
    attrs: dict[str, str],
    path: Path,
) -> None:
    """Normalize and write the fields, with all the small arrays."""
    chunks = (_chunk_hours(fields), *fields.shape[1:])
    normalized = fields.rechunk(chunks).map_blocks(
        _normalize, mean=statistics.mean, std=statistics.std, dtype=np.float32
    )
    text = np.dtypes.StringDType()
    flags = " ".join(["none", *SPLITS])
    units = [channel(label).variable.units for label in settings.channels]
    store = xr.Dataset(
        {
            "data": (_DIMS, normalized, {"long_name": "normalized fields"}),
            "mean": ("channel", statistics.mean),
            "std": ("channel", statistics.std),
            "difference_std": ("channel", statistics.difference_std),
            "units": ("channel", np.array(units, dtype=text)),
            "split": ("time", split, {"flag_values": [0, 1, 2, 3], "flag_meanings": flags}),
            "expver": ("time", dataset["expver"].values.astype(text)),
        },
        coords={
            "time": dataset["time"].values,
            "channel": np.array(settings.channels, dtype=text),
            "latitude": ("latitude", dataset["latitude"].values, dataset["latitude"].attrs),
            "longitude": ("longitude", dataset["longitude"].values, dataset["longitude"].attrs),
        },
        attrs=attrs,
    )
    time = {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
    store.to_zarr(
        path, mode="w-", consolidated=False, encoding={"data": {"chunks": chunks}, "time": time}
    )


def _write_climatology(path: Path, in_train: np.ndarray, *, smoothing_days: int) -> None:
    """Average the training split as it was written, by blocks of rows that fit in memory."""
    store = xr.open_zarr(path, chunks=None, consolidated=False)
    hours = store["time"].values.astype("datetime64[h]").astype(np.int64)
    by_day = spans_two_years(hours[in_train])
    _, num_channels, num_rows, num_columns = store["data"].shape
    row_bytes = (366 if by_day else 1) * 24 * num_channels * num_columns * 8
    step = max(1, _SUM_BYTES // row_bytes)
    blocks = []
    for start in range(0, num_rows, step):
        rows = slice(start, min(start + step, num_rows))
        shape = (num_channels, rows.stop - rows.start, num_columns)
        accumulator = ClimatologyAccumulator(by_day=by_day, shape=shape)
        for chunk in _train_chunks(store["data"].encoding["chunks"][0], in_train):
            values = store["data"].isel(time=chunk, latitude=rows).values
            accumulator.add(values[in_train[chunk]], hours[chunk][in_train[chunk]])
        try:
            blocks.append(accumulator.finish(smoothing_days=smoothing_days).values)
        except ValueError as error:
            raise DataError(f"no climatology of the training split: {error}") from error
    values = np.concatenate(blocks, axis=3)
    dims = ("dayofyear", "hour", "channel", "latitude", "longitude")
    by = "day of year and hour of day" if by_day else "hour of day"
    climatology = xr.Dataset(
        {"climatology": (dims, values, {"long_name": f"mean by {by}"})},
        attrs=store.attrs,  # appending writes them anew
    )
    encoding = {"climatology": {"chunks": (1, *values.shape[1:])}}
    climatology.to_zarr(path, mode="a", consolidated=False, encoding=encoding)


def _train_chunks(size: int, in_train: np.ndarray) -> Iterator[slice]:
    """Give the chunks that hold training hours."""
    for start in range(0, len(in_train), size):
        chunk = slice(start, start + size)
        if in_train[chunk].any():
            yield chunk


def _normalize(fields: np.ndarray, *, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Normalize in float64, store in float32."""
    return ((fields - mean[:, None, None]) / std[:, None, None]).astype(np.float32)


def _chunk_hours(fields: da.Array) -> int:
    """Give the hours a chunk: a day, or less where a day of fields is large."""
    hour_bytes = int(np.prod(fields.shape[1:])) * 4
    return next((n for n in (24, 12, 6, 3) if n * hour_bytes <= _CHUNK_BYTES), 1)


def _check_store(path: Path, name: str, snapshot_id: str) -> None:
    """Refuse a store that is broken or another one than its name says."""
    advice = "remove the folder to have it built again"
    try:
        opened = TrainingSet.open(path, in_memory=False)
    except ValueError as error:
        raise DataError(f"{error}; {advice}") from error
    expected: dict[str, Any] = {"fingerprint": name, "archive_snapshot": snapshot_id}
    for key, value in expected.items():
        if opened.attrs[key] != value:
            raise DataError(f"{path} has {key} {opened.attrs[key]!r}; expected {value!r}: {advice}")
    group = zarr.open_group(path, mode="r")
    for part in ("data", "climatology"):
        array = group[part]
        assert isinstance(array, zarr.Array)
        if array.nchunks_initialized < array.nchunks:
            raise DataError(
                f"{path} has {array.nchunks_initialized} chunks of {part}; "
                f"expected {array.nchunks}: {advice}"
            )
