"""What a month must be before it may stand in the archive."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.physical_limits import describe_limits
from met2net.data.variables import Variable, variable
from pipelines.errors import DataError

__all__ = ["HourlyContent", "check_content", "check_limits", "check_structure", "read_content"]


@dataclass(frozen=True)
class HourlyContent:
    """What every hour of a field holds; each array along time.

    Attributes:
        lowest: smallest value.
        highest: largest value.
        missing: number of points without a value.
        mean: mean of the points that have one, each the same weight.
        digests: SHA-256 of the values, (time, 32) bytes.
    """

    lowest: np.ndarray
    highest: np.ndarray
    missing: np.ndarray
    mean: np.ndarray
    digests: np.ndarray

    @property
    def sha256(self) -> str:
        """Name all values, whatever the chunks."""
        return hashlib.sha256(self.digests.tobytes()).hexdigest()


def check_structure(
    dataset: xr.Dataset,
    *,
    hours: np.ndarray,
    fields: Mapping[str, Sequence[int]],
    grid: Grid | None,
) -> None:
    """Check hours, variables, levels, units and grid; reads no field.

    Args:
        dataset: a month on the archive's grid.
        hours: exactly the hours it must have, datetime64[h].
        fields: CDS long name -> levels [hPa] it must have.
        grid: the archive's grid, or None for a new archive.

    Raises:
        DataError: saying what was found and what is expected.
    """
    _check_hours(dataset["time"].values, hours)
    missing = [name for name in fields if name not in dataset.data_vars]
    if missing:
        found = ", ".join(map(str, dataset.data_vars)) or "none"
        raise DataError(f"variables {', '.join(missing)} are missing; found: {found}")
    for name, levels in fields.items():
        _check_variable(dataset[name], variable(name), levels)
    if "expver" not in dataset.coords or dataset["expver"].dims != ("time",):
        raise DataError("the month has no coordinate expver(time); expected one value an hour")
    found_grid = Grid.from_dataset(dataset)
    if grid is not None and not found_grid.matches(grid):
        raise DataError(f"the month's grid is {found_grid}; expected the archive's, {grid}")


def check_content(dataset: xr.Dataset, fields: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Check that every value is there and possible, and name the values; streams by Dask.

    Returns:
        Variable, or `variable@level`, -> SHA-256 of its values hour by hour, whatever the
        chunks.

    Raises:
        DataError: naming variable, level, hour, place and value of the first offence.
    """
    return {key: content.sha256 for key, content in read_content(dataset, fields).items()}


def read_content(
    dataset: xr.Dataset, fields: Mapping[str, Sequence[int]]
) -> dict[str, HourlyContent]:
    """Read every value and check that it is there and possible; streams by Dask.

    Returns:
        Variable, or `variable@level`, -> what its hours hold.

    Raises:
        DataError: as `check_content`.
    """
    names = [(name, level) for name, levels in fields.items() for level in (levels or (None,))]
    arrays = [
        dataset[name] if level is None else dataset[name].sel(level=level) for name, level in names
    ]
    read = dask.compute(
        [
            (
                _hourly_extremes(a.data),
                _hourly_hashes(a.data),
                _hourly_moves(a.data) if variable(name).nan_allowed else None,
            )
            for (name, _), a in zip(names, arrays, strict=True)
        ]
    )[0]
    contents = {}
    for (name, level), array, (extremes, digests, moves) in zip(names, arrays, read, strict=True):
        lowest, highest, missing, mean = extremes.T
        content = HourlyContent(lowest, highest, missing, mean, digests)
        label = name if level is None else f"{name} at {level} hPa"
        if moves is not None:
            _check_mask(array, content.missing, moves, label=label)
        _check_missing(array, content.missing, table=variable(name), label=label)
        check_limits(array, content.lowest, content.highest, table=variable(name), label=label)
        contents[name if level is None else f"{name}@{level}"] = content
    return contents


def check_limits(
    array: xr.DataArray, lowest: np.ndarray, highest: np.ndarray, *, table: Variable, label: str
) -> None:
    """Refuse values that weather on Earth cannot have.

    Args:
        array: dims time, latitude, longitude; read only to say where.
        lowest: smallest value of each hour.
        highest: largest value of each hour.
        table: the variable.
        label: how to call it.

    Raises:
        DataError: naming hour, place and value of the first offence.
    """
    low, high = table.valid_range
    bad = (lowest < low) | (highest > high)
    if bad.any():
        hour = int(np.argmax(bad))
        field = array[hour].values
        outside = (field < low) | (field > high)
        raise DataError(
            f"{label} is {field[outside][0]:g} {table.units} at {_time(array, hour)}, "
            f"{_place(array[hour], outside)}; {describe_limits(field, table)}"
        )


def _check_hours(found: np.ndarray, expected: np.ndarray) -> None:
    found = found.astype("datetime64[h]")
    if np.array_equal(found, expected):
        return
    missing = np.setdiff1d(expected, found)
    extra = np.setdiff1d(found, expected)
    raise DataError(
        f"the month has {len(found)} hours, {len(missing)} missing{_first(missing)} and "
        f"{len(extra)} not asked for{_first(extra)}; expected exactly the {len(expected)} hours "
        f"{expected[0]} to {expected[-1]}, each once, in order"
    )


def _first(hours: np.ndarray) -> str:
    return f" (first {hours[0]})" if len(hours) else ""


def _check_variable(array: xr.DataArray, table: Variable, levels: Sequence[int]) -> None:
    dims = ("time", "level", "latitude", "longitude") if levels else (
        "time", "latitude", "longitude",
    )  # fmt: skip
    if array.dims != dims:
        raise DataError(
            f"{table.name} has dimensions ({', '.join(map(str, array.dims))}); "
            f"expected ({', '.join(dims)})"
        )
    if levels:
        absent = sorted(set(levels) - set(array["level"].values.tolist()))
        if absent:
            raise DataError(
                f"{table.name} has levels {array['level'].values.tolist()} hPa; "
                f"expected also {absent}"
            )
    if array.attrs.get("units") != table.units:
        raise DataError(
            f"{table.name} has units {array.attrs.get('units')!r}; expected {table.units!r}"
        )


def _hourly_extremes(data: da.Array) -> da.Array:
    """Give smallest and largest value, number of NaN and mean of each hour: (time, 4)."""
    extremes: da.Array = da.map_blocks(
        _block_extremes, data, dtype=np.float64, chunks=(data.chunks[0], (4,)), drop_axis=2
    )
    return extremes


def _block_extremes(fields: np.ndarray) -> np.ndarray:
    missing = np.isnan(fields)
    count = missing.sum(axis=(1, 2))
    low, high, zero = fields, fields, fields
    if count.any():
        low, high, zero = (np.where(missing, x, fields) for x in (np.inf, -np.inf, 0.0))
    with np.errstate(invalid="ignore"):  # infinities: outside the limits, and said there
        total = zero.sum(axis=(1, 2), dtype=np.float64)
    mean = total / np.maximum(fields.shape[1] * fields.shape[2] - count, 1)
    return np.stack([low.min(axis=(1, 2)), high.max(axis=(1, 2)), count, mean], axis=1)


def _hourly_hashes(data: da.Array) -> da.Array:
    """Give the SHA-256 of every hour's field: (time, 32) bytes."""
    hashes: da.Array = da.map_blocks(
        _block_hashes, data, dtype=np.uint8, chunks=(data.chunks[0], (32,)), drop_axis=2
    )
    return hashes


def _block_hashes(fields: np.ndarray) -> np.ndarray:
    digests = [hashlib.sha256(np.ascontiguousarray(field).data).digest() for field in fields]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(fields), 32)


def _hourly_moves(data: da.Array) -> da.Array:
    """Count, for every hour, the points that lack a value there or in the first hour alone."""
    missing = da.isnan(data)
    moves: da.Array = (missing != missing[:1]).sum(axis=(1, 2))
    return moves


def _check_mask(array: xr.DataArray, missing: np.ndarray, moves: np.ndarray, *, label: str) -> None:
    """Refuse points without a value that are not the same at every hour."""
    if moves.any():
        hour = int(np.argmax(moves > 0))
        differs = np.isnan(array[hour].values) != np.isnan(array[0].values)
        raise DataError(
            f"{label} has no value at {int(missing[hour])} points at {_time(array, hour)} and at "
            f"{int(missing[0])} at {_time(array, 0)}: {int(moves[hour])} points differ, first at "
            f"{_place(array[hour], differs)}; expected the same points without a value at every "
            "hour"
        )


def _check_missing(
    array: xr.DataArray, missing: np.ndarray, *, table: Variable, label: str
) -> None:
    """Refuse points without a value, where ERA5 has one everywhere."""
    num_points = array.sizes["latitude"] * array.sizes["longitude"]
    bad = missing == num_points if table.nan_allowed else missing > 0
    if bad.any():
        hour = int(np.argmax(bad))
        place = _place(array[hour], np.isnan(array[hour].values))
        raise DataError(
            f"{label} has no value at {int(missing[hour])} of {num_points} points at "
            f"{_time(array, hour)}, first at {place}; "
            + ("expected some" if table.nan_allowed else "expected every point to have one")
        )


def _time(array: xr.DataArray, hour: int) -> str:
    return str(array["time"].values[hour].astype("datetime64[h]"))


def _place(field: xr.DataArray, mask: np.ndarray) -> str:
    row, column = np.argwhere(mask)[0]
    latitude, longitude = field["latitude"].values[row], field["longitude"].values[column]
    return f"latitude {latitude:g}, longitude {longitude:g}"
