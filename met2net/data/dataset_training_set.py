"""A training set of an xarray Dataset, in memory: split, statistics, normalization, climatology."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from jaxtyping import Float32, Int8

import met2net
from met2net.data.channel_groups import channel_labels, check_variables
from met2net.data.climatology import Climatology, ClimatologyAccumulator, spans_two_years
from met2net.data.dataset_fields import DatasetFields
from met2net.data.grid import Grid
from met2net.data.normalization import Method, Normalizer, check_method
from met2net.data.physical_limits import check_inputs
from met2net.data.static_fields import StaticField, find_static
from met2net.data.training_set import SPLITS, VALIDATION_AND_TEST, TrainingSet
from met2net.data.training_statistics import (
    TrainingStatistics,
    difference_hours,
    difference_moments,
    hourly_moments,
    merge_statistics,
    pairs,
)
from met2net.data.valid_points import ValidPoints
from met2net.data.variable_definitions import Definition, define, define_all
from met2net.data.variables import channel
from met2net.data.windows import hours_since_epoch

__all__ = ["Ends", "training_set_of"]

Ends: TypeAlias = slice | Sequence[Any]
"""First and last time of a split, both inside: `("2016", "2018-06")` ends with June's last hour."""

_DAY = 24
_HOURS = 256  # worked on at once
_HOUR = np.timedelta64(1, "h")


def training_set_of(
    dataset: xr.Dataset,
    *,
    variables: Mapping[str, Sequence[str]],
    splits: Mapping[str, Ends],
    names: Mapping[str, str] | None = None,
    definitions: Mapping[str, Definition | Mapping[str, Any]] | None = None,
    normalization: Method = "mean_std",
    smoothing_days: int = 61,
    static_fields: Sequence[str] = (),
) -> TrainingSet:
    """Make a training set; `TrainingSet.from_dataset` says how and what it refuses."""
    check_method(normalization)
    for name, definition in (definitions or {}).items():
        if isinstance(definition, Definition):
            define(definition.named(name))
        else:
            define_all({name: definition})
    groups = check_variables(variables)
    labels = channel_labels(groups)
    source = DatasetFields.of(dataset, names=names)
    unused = sorted(set(source.names) - {*labels, *static_fields})
    if unused:
        raise ValueError(
            f"names has {', '.join(unused)}; expected channels of `variables`: {', '.join(labels)}"
        )
    static = {name: _static_field(source, name) for name in static_fields}
    times, split = _select_hours(source.dataset, splits)
    fields = np.empty((len(times), len(labels), *source.grid.shape), np.float32)
    for number, label in enumerate(labels):
        fields[:, number] = source.read(label, times=times.astype("datetime64[ns]"))
    _check_limits(fields, labels, times=times, grid=source.grid)
    in_train = split == SPLITS["train"]
    valid = _valid_points(fields[0], labels)
    statistics = _statistics(fields, times=times, in_train=in_train, channels=labels, valid=valid)
    normalizer = Normalizer.from_statistics(
        labels, method=normalization, mean=statistics.mean, std=statistics.std,
        minimum=statistics.minimum, maximum=statistics.maximum,
    )  # fmt: skip
    content = hashlib.sha256(np.ascontiguousarray(fields).data)
    settings: dict[str, Any] = {
        "variables": groups, "normalization": normalization, "smoothing_days": smoothing_days,
        "splits": {name: [str(times[split == value][i]) for i in (0, -1)]
                   for name, value in SPLITS.items() if (split == value).any()},
    }  # fmt: skip
    if static:  # what was named before keeps its name
        settings["static_fields"] = {name: field.content for name, field in static.items()}
    content.update(json.dumps(settings, sort_keys=True).encode() + times.tobytes())
    _normalize(fields, normalizer)
    if valid is not None:
        valid.fill(fields)
    return TrainingSet(
        path=None,
        channels=labels,
        units=tuple(channel(label).variable.units for label in labels),
        variables=groups,
        grid=source.grid,
        hours=times.astype(np.int64),
        split=split,
        fields=fields,
        normalizer=normalizer,
        mean=statistics.mean,
        std=statistics.std,
        minimum=statistics.minimum,
        maximum=statistics.maximum,
        difference_std=statistics.difference_std,
        climatology=_climatology(fields, times, in_train=in_train, smoothing_days=smoothing_days),
        attrs={
            "settings": json.dumps(settings),
            "fingerprint": content.hexdigest()[:16],
            "archive_snapshot": "none: made of a dataset in memory",
            "source": str(dataset.attrs.get("source", "a dataset in memory")),
            "attribution": str(dataset.attrs.get("attribution", "")),
            "code_version": met2net.__version__,
            "variables": json.dumps(groups),
            "normalization": normalization,
        },
        valid=valid,
        static_fields=static,
    )


def _static_field(source: DatasetFields, name: str) -> StaticField:
    """Read a static field of a dataset."""
    array = find_static(source.dataset, name, known_as=source.names.get(name))
    return StaticField(name, source.grid, array.values.astype(np.float32))


def _check_limits(
    fields: Float32[np.ndarray, "t c h w"],
    labels: Sequence[str],
    *,
    times: np.ndarray,
    grid: Grid,
) -> None:
    """Refuse values that no weather has: fields that say no unit, or a wrong one, show by them."""
    for start in range(0, len(fields), _HOURS):
        hours = slice(start, start + _HOURS)
        check_inputs(fields[None, hours], labels, grid=grid, hours=[str(t) for t in times[hours]])


def _select_hours(
    dataset: xr.Dataset, splits: Mapping[str, Ends]
) -> tuple[np.ndarray, Int8[np.ndarray, " time"]]:
    """Give the hours (datetime64[h]) from the first to the last split, and each one's split."""
    if not isinstance(splits, Mapping) or set(splits) != set(SPLITS):
        found = ", ".join(map(str, splits)) if isinstance(splits, Mapping) else repr(splits)
        raise ValueError(
            f"splits is {found or 'empty'}; expected a mapping of {', '.join(SPLITS)} to first and "
            "last times, such as {'train': ('2016', '2018'), ...}"
        )
    if "time" not in dataset.dims or dataset["time"].dtype.kind != "M":
        raise ValueError("dataset has no axis 'time' of datetime64; expected hours, UTC")
    times = hours_since_epoch(dataset["time"].values).astype("datetime64[h]")
    if np.any(np.diff(times) <= 0 * _HOUR):
        raise ValueError("the dataset's times do not increase; expected every hour once, in order")
    ends = {name: _ends(name, splits[name]) for name in SPLITS}
    validates_on_test = ends["validation"] == ends["test"]
    split = np.zeros(len(times), dtype=np.int8)
    for name, (first, last) in ends.items():
        inside = (times >= first) & (times <= last)
        if not inside.any():
            raise ValueError(
                f"split {name} is {first} to {last}; the dataset has {times[0]} to {times[-1]}: "
                "expected at least one hour of every split"
            )
        if split[inside].any() and not (name == "test" and validates_on_test):
            raise ValueError(
                f"split {name} ({first} to {last}) overlaps another; expected no hour in two splits"
            )
        split[inside] = VALIDATION_AND_TEST if validates_on_test and name != "train" else (
            SPLITS[name]
        )  # fmt: skip
    used = np.flatnonzero(split)
    whole = slice(used[0], used[-1] + 1)
    return times[whole], split[whole]


def _ends(name: str, ends: Ends) -> tuple[np.datetime64, np.datetime64]:
    """Give the first and the last hour of a split; `2018` as an end is its last hour."""
    pair = (ends.start, ends.stop) if isinstance(ends, slice) else tuple(ends)
    if isinstance(ends, str) or len(pair) != 2 or any(end is None for end in pair):
        raise ValueError(f"split {name} is {ends!r}; expected two times, the first and the last")
    try:
        first, last = (np.datetime64(end) for end in pair)
    except ValueError as error:
        raise ValueError(f"split {name} is {ends!r}; expected two times: {error}") from error
    if np.datetime_data(last.dtype)[0] in ("Y", "M", "D"):
        last = (last + 1).astype("datetime64[h]") - _HOUR
    return first.astype("datetime64[h]"), last.astype("datetime64[h]")


def _statistics(
    fields: Float32[np.ndarray, "t c h w"],
    *,
    times: np.ndarray,
    in_train: np.ndarray,
    channels: Sequence[str],
    valid: ValidPoints | None,
) -> TrainingStatistics:
    """Summarize the channels; refuses missing values and constant channels."""
    difference = difference_hours(_step_hours(times))
    later, earlier = pairs(times, in_train, difference=difference)
    masks = [None if valid is None else valid.mask[place] for place in range(len(channels))]
    moments = np.stack(
        [hourly_moments(x, valid=m) for x, m in zip(fields.swapaxes(0, 1), masks, strict=True)],
        axis=1,
    )
    differences = np.empty((len(later), len(channels), 2))
    for number in range(len(channels)):
        for start in range(0, len(later), _HOURS):
            rows = slice(start, start + _HOURS)
            differences[rows, number] = difference_moments(
                fields[later[rows], number], fields[earlier[rows], number], valid=masks[number]
            )
    return merge_statistics(
        moments, differences, times=times, in_train=in_train, channels=channels,
        difference=difference, masked=() if valid is None else valid.masked(channels),
    )  # fmt: skip


def _valid_points(
    fields: Float32[np.ndarray, "c h w"], channels: Sequence[str]
) -> ValidPoints | None:
    """Find the points without a value in the first hour, of variables that may have such."""
    may_lack = np.array([channel(label).variable.nan_allowed for label in channels])
    return ValidPoints.of(~(np.isnan(fields) & may_lack[:, None, None]))


def _step_hours(times: np.ndarray) -> int:
    """Give the smallest step between hours; 1 for a single one."""
    return int(np.diff(times.astype(np.int64)).min()) if len(times) > 1 else 1


def _normalize(fields: Float32[np.ndarray, "t c h w"], normalizer: Normalizer) -> None:
    """Normalize in place, in float64, as a store's fields are."""
    mean, std = (np.array(x)[:, None, None] for x in (normalizer.mean, normalizer.std))
    for start in range(0, len(fields), _HOURS):
        values = fields[start : start + _HOURS].astype(np.float64)
        fields[start : start + _HOURS] = (values - mean) / std


def _climatology(
    fields: Float32[np.ndarray, "t c h w"],
    times: np.ndarray,
    *,
    in_train: np.ndarray,
    smoothing_days: int,
) -> Climatology:
    """Average the training split by hour of day, by day of year too where it is two years long."""
    hours = times.astype(np.int64)
    by_day = spans_two_years(hours[in_train])
    accumulator = ClimatologyAccumulator(by_day=by_day, shape=fields.shape[1:])
    rows = np.flatnonzero(in_train)
    for start in range(0, len(rows), _DAY):
        some = rows[start : start + _DAY]
        accumulator.add(fields[some], hours[some])
    try:
        return accumulator.finish(smoothing_days=smoothing_days)
    except ValueError as error:
        raise ValueError(f"no climatology of the training split: {error}") from error
