"""Building a training set's store from an archive, in tasks that fit in memory.

The archive is read once: every task copies some hours in physical units and sums them up;
when the statistics are known, the copies are normalized into the store's chunks, and the
climatology is averaged over these.
"""

import json
from pathlib import Path

import numpy as np
import xarray as xr
from dask.utils import format_bytes

import met2net
from met2net.data.normalization import Normalizer
from met2net.data.training_set import SPLITS, VALIDATION_AND_TEST
from met2net.data.training_statistics import (
    DIFFERENCE_HOURS,
    difference_hours,
    merge_statistics,
)
from met2net.data.valid_points import ValidPoints
from met2net.data.variable_definitions import DEFINITIONS, definitions_of
from met2net.data.variables import channel, required_fields
from pipelines.archive.state import ArchiveState
from pipelines.archive.step import step_of
from pipelines.cluster import Workers
from pipelines.errors import DataError, as_data_error
from pipelines.fingerprint import to_plain
from pipelines.training_sets.layout import Layout, write_metadata
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from pipelines.training_sets.tasks import (
    ClimatologyPart,
    FieldBlock,
    average,
    extract,
    normalize,
    read_hours,
    row_bytes,
)

__all__ = ["write_store"]

_DAY = 24


def write_store(
    archive: ArchiveState, settings: TrainingSetSettings, *, name: str, path: Path, workers: Workers
) -> None:
    """Write a whole store.

    Args:
        archive: the snapshot to build from.
        settings: channels, splits, normalization, climatology.
        name: the store's fingerprint.
        path: folder that is not there yet; what tasks write lies beside it until then.
        workers: where tasks run.

    Raises:
        DataError: if the archive lacks channels or hours, a value is missing, a channel is
            constant, or the workers have too little memory for the smallest piece of work.
    """
    dataset = archive.open()
    step = step_of(json.loads(dataset.attrs["settings"]))
    first_hour, times, split = _select_hours(dataset, settings.splits, step_hours=step)
    _check_channels(dataset, settings.channels)
    in_train = split == SPLITS["train"]
    grid_shape = (dataset.sizes["latitude"], dataset.sizes["longitude"])
    shape = (len(times), len(settings.channels), *grid_shape)
    layout = Layout.choose(shape, times=times, in_train=in_train)
    _check_memory(workers.task_bytes, layout)
    scratch = path.with_name("scratch")
    valid = _valid_points(dataset, settings.channels, archive=archive, hour=first_hour)
    blocks = [
        FieldBlock(
            archive=archive,
            channels=settings.channels,
            grid_shape=grid_shape,
            first_hour=first_hour,
            start=hours.start,
            times=times[max(0, hours.start - DIFFERENCE_HOURS) : hours.stop],
            in_train=in_train[max(0, hours.start - DIFFERENCE_HOURS) : hours.stop],
            difference=difference_hours(step),
            num_hours=hours.stop - hours.start,
            chunk_hours=layout.chunk_hours,
            physical=scratch / f"{hours.start}.f4",
            data=scratch / "data",
            task_bytes=workers.task_bytes,
            valid=valid,
        )
        for hours in _slices(len(times), max(layout.chunk_hours, _DAY))
    ]
    moments, differences = zip(*workers.map(extract, blocks), strict=True)
    with as_data_error():
        statistics = merge_statistics(
            np.concatenate(moments), np.concatenate(differences),
            times=times, in_train=in_train, channels=settings.channels,
            difference=difference_hours(step),
            masked=() if valid is None else valid.masked(settings.channels),
        )  # fmt: skip
    normalizer = Normalizer.from_statistics(
        settings.channels, method=settings.normalization, mean=statistics.mean,
        std=statistics.std, minimum=statistics.minimum, maximum=statistics.maximum,
    )  # fmt: skip
    workers.map(normalize, [(block, normalizer) for block in blocks])
    np.save(scratch / "times.npy", np.stack([times.astype(np.int64), in_train]))
    workers.map(average, _climatology_parts(scratch, layout, settings.smoothing_days))
    inside = slice(first_hour, first_hour + len(times))
    write_metadata(
        path, layout, axes=dataset[["latitude", "longitude", "expver"]].isel(time=inside).load(),
        times=times, split=split, statistics=statistics, channels=settings.channels,
        units=[channel(label).variable.units for label in settings.channels],
        attrs=_attrs(archive, settings, dataset, name=name), valid=valid,
    )  # fmt: skip
    for array in ("data", "climatology"):
        (scratch / array / "c").rename(path / array / "c")


def _attrs(
    archive: ArchiveState, settings: TrainingSetSettings, dataset: xr.Dataset, *, name: str
) -> dict[str, str]:
    """Tell what the set was made from."""
    own = definitions_of(required_fields(settings.channels))
    return {
        "settings": json.dumps(to_plain(settings)),
        "fingerprint": name,
        "archive_snapshot": archive.snapshot_id,
        "source": dataset.attrs["source"],
        "attribution": dataset.attrs["attribution"],
        "code_version": met2net.__version__,
        "variables": json.dumps(settings.variables),
        "normalization": settings.normalization,
        **({DEFINITIONS: json.dumps(own)} if own else {}),
    }


def _climatology_parts(scratch: Path, layout: Layout, smoothing_days: int) -> list[ClimatologyPart]:
    """Describe the work on every chunk of the climatology."""
    num_channels, num_rows = layout.climatology_chunk
    chunks = scratch / "climatology" / "c" / "0" / "0"
    return [
        ClimatologyPart(
            data=scratch / "data",
            shape=layout.fields,
            chunk_hours=layout.chunk_hours,
            times=scratch / "times.npy",
            by_day=layout.climatology[0] > 1,
            smoothing_days=smoothing_days,
            channels=channels,
            rows=rows,
            path=chunks / str(number) / str(row_number) / "0",
        )
        for number, channels in enumerate(_slices(layout.fields[1], num_channels))
        for row_number, rows in enumerate(_slices(layout.fields[2], num_rows))
    ]


def _slices(length: int, size: int) -> list[slice]:
    """Cut a length into pieces; the last one may be shorter."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _select_hours(
    dataset: xr.Dataset, splits: Splits, *, step_hours: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """Keep the hours from the first to the last split.

    Returns:
        Position of the first one in the archive, the hours, and which split each is in.
    """
    times = dataset["time"].values.astype("datetime64[h]")
    for name, period in splits.periods().items():
        missing = np.setdiff1d(period.hours(step_hours), times)
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
    if splits.validates_on_test:
        split[splits.test.contains(times)] = VALIDATION_AND_TEST
    return int(np.argmax(whole)), times[whole], split[whole]


def _check_channels(dataset: xr.Dataset, labels: tuple[str, ...]) -> None:
    """Refuse channels that the archive does not hold."""
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


def _valid_points(
    dataset: xr.Dataset, labels: tuple[str, ...], *, archive: ArchiveState, hour: int
) -> ValidPoints | None:
    """Find the points without a value in the first hour, of variables that may have such.

    Tasks check that it is these points in every other hour.
    """
    shape = (dataset.sizes["latitude"], dataset.sizes["longitude"])
    mask = np.ones((len(labels), *shape), dtype=bool)
    for number, label in enumerate(labels):
        if channel(label).variable.nan_allowed:
            mask[number] = ~np.isnan(read_hours(archive, label, slice(hour, hour + 1))[0])
    return ValidPoints.of(mask)


def _check_memory(task_bytes: int, layout: Layout) -> None:
    """Refuse a memory limit below the smallest pieces of work."""
    field = row_bytes(layout.fields[2:])
    days, slots, _, _, num_columns = layout.climatology
    chunk = days * slots * num_columns * int(np.prod(layout.climatology_chunk))
    needs = {
        "a day of one channel": _DAY * field,
        "an hour of all channels": layout.fields[1] * field,
        "a chunk of the climatology": 16 * chunk,  # sums in float64, means in float32, smoothing
    }
    for what, size in needs.items():
        if task_bytes < size:
            raise DataError(
                f"a task may take {format_bytes(task_bytes)} of memory; {what} takes "
                f"{format_bytes(size)}: raise the cluster's memory_limit or take fewer workers"
            )
