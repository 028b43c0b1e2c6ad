"""Look at a source's own fields on their way to the archive's grid, each read once.

A mean over a cell hides a few numbers that stand for "no value", and mixes a land of lost fill
values into its coasts: limits and points that never change are looked for before regridding.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import xarray as xr

from met2net.data.variables import Variable, variable
from pipelines.fields.implausible import Finding
from pipelines.fields.variable_habits import Habits, habits
from pipelines.fields.verify_month import check_limits

__all__ = ["SourceWatch"]

_HOURS_A_CHUNK = 24
_FEWEST_FIELDS = 24
_SHARE_OF_FILL = 0.005  # of the points, at one value: a coast or a lake are more
_SAME = 1e-3  # of a unit; a fill value is one value


@dataclass
class SourceWatch:
    """What is seen of a month's fields while they are computed; threads of one process only.

    Attributes:
        rows: of the source's grid, those that the archive's values come from.
        columns: as the rows.
        step_hours: time step of the month [h].
    """

    rows: np.ndarray
    columns: np.ndarray
    step_hours: int = 1
    _seen: dict[tuple[str, int | None], "_Rest"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, dataset: xr.Dataset) -> xr.Dataset:
        """Give the same fields, lazily; limits are checked as they are computed.

        Computing them raises a `DataError` with the first value that weather cannot have.

        Args:
            dataset: a raw month, dims time[, level], latitude, longitude.
        """
        return dataset.assign({str(n): self._watched(f) for n, f in dataset.data_vars.items()})

    def findings(self) -> Iterator[Finding]:
        """Give points that have kept one value while others changed, once all is computed."""
        for (name, level), rest in sorted(self._seen.items(), key=lambda item: str(item[0])):
            text = rest.lost_fill(
                habits(name, level), shares_one=name == _SEA_SURFACE, step_hours=self.step_hours
            )
            if text is not None:
                label = name if level is None else f"{name} at {level} hPa"
                yield Finding(name, "unchanging_points", f"{label} {text}")

    def _watched(self, array: xr.DataArray) -> xr.DataArray:
        if array.chunks is None:
            array = array.chunk({"time": _HOURS_A_CHUNK})
        array = array.chunk({"latitude": -1, "longitude": -1})
        axes = {dim: array[dim].values for dim in array.dims}
        data = da.map_blocks(
            self._look, array.data, array=str(array.name), axes=axes, dtype=array.dtype,
            meta=array.data._meta, name=f"watch-{array.name}-{uuid4().hex}",
        )  # fmt: skip
        return array.copy(data=data)

    def _look(
        self, block: np.ndarray, *, array: str, axes: dict[str, np.ndarray], block_info: Any
    ) -> np.ndarray:
        """Check one block, hours[, levels] of the whole grid, and hand it on."""
        places = block_info[0]["array-location"]
        hours, levels = axes["time"][slice(*places[0])], [None]
        if "level" in axes:
            levels = axes["level"][slice(*places[1])].tolist()
        table, part = variable(array), _part(block, self.rows, self.columns)
        for index, level in enumerate(levels):
            fields = part if level is None else part[:, index]
            if not _is_in_range(fields, table):
                _refuse(fields, hours, self._axes(axes), table, level)
            if habits(array, level).shortest_rest is not None:
                self._rest(array, level, fields, axes).look(fields)
        return block

    def _axes(self, axes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            "latitude": axes["latitude"][self.rows],
            "longitude": axes["longitude"][self.columns],
        }

    def _rest(
        self, name: str, level: int | None, fields: np.ndarray, axes: dict[str, np.ndarray]
    ) -> "_Rest":
        with self._lock:
            if (name, level) not in self._seen:
                self._seen[name, level] = _Rest(
                    fields[0].copy(), axes["latitude"][self.rows], axes["longitude"][self.columns]
                )
            return self._seen[name, level]


_SEA_SURFACE = "sea_surface_temperature"


@dataclass
class _Rest:
    """Points of a field that have had one value so far.

    Attributes:
        value: the field of some hour; empty once all points have changed.
        latitude: of the points.
        longitude: of the points.
    """

    value: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    _hours: int = 0
    _kept: np.ndarray | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, fields: np.ndarray) -> None:
        """Take some hours (time, latitude, longitude) in any order."""
        with self._lock:
            self._hours += len(fields)
            value, kept = self.value, self._kept
        if kept is not None and not kept.any():
            return
        same = (fields == value).all(axis=0)
        with self._lock:
            self._kept = same if self._kept is None else self._kept & same
            if not self._kept.any():
                self.value = self.value[:0]  # its memory is needed elsewhere

    def lost_fill(self, of_name: Habits, *, shares_one: bool, step_hours: int) -> str | None:
        """Say which points have kept one value; None where none has, or all have.

        Args:
            of_name: the variable's habits.
            shares_one: only count points that have the same value as many others.
            step_hours: from one field to the next [h].
        """
        fewest = max((of_name.shortest_rest or 0) // step_hours, _FEWEST_FIELDS - 1)
        if self._kept is None or not self._kept.any() or self._hours <= fewest:
            return None
        kept = self._kept & ~_is_at_rest(self.value, of_name)
        if self._kept.all() or not kept.any():
            return None
        if shares_one:
            values, counts = np.unique(np.round(self.value[kept] / _SAME), return_counts=True)
            if counts.max() < max(2, _SHARE_OF_FILL * self.value.size):
                return None
            kept &= np.round(self.value / _SAME) == values[np.argmax(counts)]
        row, column = np.argwhere(kept)[0]
        hours = self._hours * step_hours
        return (
            f"keeps its value for all {hours} hours at {kept.sum()} of {kept.size} points "
            f"({self.value[row, column]:g} at latitude {self.latitude[row]:g}, longitude "
            f"{self.longitude[column]:g}), while others change; expected no value there or one "
            "that changes (a lost fill value?)"
        )


def _part(block: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Cut the points out that count; without a copy where they lie together."""
    chosen = block[..., _together(rows), :]
    part: np.ndarray = chosen[..., _together(columns)]
    return part


def _together(places: np.ndarray) -> slice | np.ndarray:
    if len(places) == places[-1] - places[0] + 1:
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _is_in_range(fields: np.ndarray, table: Variable) -> bool:
    """Tell whether a block is within the limits; points without a value are."""
    low, high = table.valid_range
    return fields.size == 0 or bool(
        np.fmin.reduce(fields, axis=None) >= low and np.fmax.reduce(fields, axis=None) <= high
    )


def _refuse(
    fields: np.ndarray,
    hours: np.ndarray,
    axes: dict[str, np.ndarray],
    table: Variable,
    level: int | None,
) -> None:
    """Say which value is outside the limits; do nothing about a block without any value."""
    array = xr.DataArray(fields, dims=("time", *axes), coords={"time": hours, **axes})
    lowest, highest = (f.reduce(fields, axis=(1, 2)) for f in (np.fmin, np.fmax))
    label = table.name if level is None else f"{table.name} at {level} hPa"
    check_limits(array, lowest, highest, table=table, label=label)


def _is_at_rest(value: np.ndarray, of_name: Habits) -> np.ndarray:
    """Tell points whose value may stay for any time."""
    near = np.zeros(value.shape, dtype=bool)
    for bound in of_name.rests_at:
        near |= np.abs(value - bound) <= of_name.rest_tolerance
    return near
