"""Forecasts as a CF Zarr store that other verification tools read."""

import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Float, Int64
from torch import Tensor

from met2net.data.cf_metadata import with_cf_metadata
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.valid_points import ValidPoints
from met2net.data.variables import channel, is_channel

__all__ = ["ForecastStoreWriter", "write_forecasts"]

_CHUNK = 64  # init times; each chunk has all lead times and points
_TIME_UNITS = "hours since 1970-01-01"


class ForecastStoreWriter:
    """A store that grows by init times; it has its name only once it is whole.

    `name(init_time, lead_time, latitude, longitude)` in physical units, float32. A surface
    variable has its CDS long name, a level its channel label (`z500`) and the attribute
    `level`. Use it in a `with` block: leaving it without an error gives the store its name,
    and replaces one that was there.
    """

    def __init__(
        self,
        path: Path,
        *,
        lead_hours: Sequence[int],
        grid: Grid,
        normalizer: Normalizer,
        units: Sequence[str],
        attrs: Mapping[str, str],
        valid: ValidPoints | None = None,
    ) -> None:
        """Write nothing yet.

        Args:
            path: folder to make.
            lead_hours: lead times.
            grid: of the forecasts.
            normalizer: channels, and to physical units.
            units: one a channel.
            attrs: of the store: where the forecasts come from.
            valid: points with a value, the others are written as missing; None: all of them.
        """
        self._valid = valid
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._lead_hours = np.array(lead_hours, dtype=np.int64)
        self._grid = grid
        self._normalizer = normalizer
        self._units = tuple(units)
        self._attrs = dict(attrs)
        self._last: int | None = None

    def __enter__(self) -> "ForecastStoreWriter":
        """Clear away what a killed writer left."""
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Name the store, or remove it after an error."""
        if kind is None and self._last is not None:
            with warnings.catch_warnings():
                # Zarr's specification does not have consolidated metadata yet; xarray has.
                warnings.filterwarnings("ignore", message="Consolidated metadata is currently not")
                zarr.consolidate_metadata(self._partial)
            shutil.rmtree(self._path, ignore_errors=True)
            self._partial.rename(self._path)
        shutil.rmtree(self._partial, ignore_errors=True)

    def add(
        self, init_time: Int64[np.ndarray, " b"], predictions: Float[Tensor, "b l c h w"]
    ) -> None:
        """Append normalized forecasts of some init times (hours since the epoch).

        Raises:
            ValueError: if init times do not go on increasing.
        """
        steps = np.diff(init_time if self._last is None else np.r_[self._last, init_time])
        if (steps <= 0).any():
            raise ValueError("init times do not increase; expected every one after the last")
        physical = self._normalizer.denormalize(predictions.double().cpu()).float().numpy()
        if self._valid is not None:
            physical = self._valid.blanked(physical)
        dataset = self._dataset(init_time, physical)
        if self._last is None:
            encoding = {"init_time": {"chunks": (8192,)}, "valid_time": {
                "chunks": (8192, len(self._lead_hours))}}  # fmt: skip
            shape = (_CHUNK, len(self._lead_hours), *self._grid.shape)
            fields = [str(name) for name in dataset.data_vars if "init_time" in dataset[name].dims]
            encoding |= {name: {"chunks": shape} for name in fields}
            dataset.to_zarr(self._partial, mode="w-", encoding=encoding, consolidated=False)
        else:
            group = zarr.open_group(self._partial, mode="r+")
            for name in dataset.variables:
                if "init_time" not in dataset[name].dims:
                    continue
                stored = group[str(name)]
                assert isinstance(stored, zarr.Array)
                stored.append(dataset[name].values, axis=0)
        self._last = int(init_time[-1])

    def _dataset(
        self, init_time: Int64[np.ndarray, " b"], fields: Float[np.ndarray, "b l c h w"]
    ) -> xr.Dataset:
        """Name the axes; times as CF numbers, so that appended ones need no encoding."""
        dims = ("init_time", "lead_time", "latitude", "longitude")
        time = {"units": _TIME_UNITS, "calendar": "proleptic_gregorian"}
        arrays = {}
        for place, (label, units) in enumerate(
            zip(self._normalizer.channels, self._units, strict=True)
        ):
            name, attrs = _naming(label)
            arrays[name] = (dims, fields[:, :, place], attrs | {"units": units})
        coords = {
            "init_time": (
                "init_time", init_time, time,
            ),
            "lead_time": (
                "lead_time", self._lead_hours,
                # The dtype tells xarray to read a duration back, not a number.
                {"units": "hours", "dtype": "timedelta64[ns]"},
            ),
            "valid_time": (
                ("init_time", "lead_time"), init_time[:, None] + self._lead_hours, time,
            ),
            "latitude": ("latitude", list(self._grid.latitude)),
            "longitude": ("longitude", list(self._grid.longitude)),
        }  # fmt: skip
        attrs = {"Conventions": "CF-1.11", "title": "Forecasts by met2net", **self._attrs}
        return with_cf_metadata(
            xr.Dataset(arrays, coords, attrs), history="forecasts of successive init times"
        )


def write_forecasts(
    path: Path,
    batches: Iterable[tuple[Int64[np.ndarray, " b"], Float[Tensor, "b l c h w"]]],
    *,
    lead_hours: Sequence[int],
    grid: Grid,
    normalizer: Normalizer,
    units: Sequence[str],
    attrs: Mapping[str, str],
) -> Path:
    """Write normalized forecasts, batch by batch, as one store; see `ForecastStoreWriter`.

    Raises:
        ValueError: if there are no batches, or init times do not increase.
    """
    writer = ForecastStoreWriter(
        path, lead_hours=lead_hours, grid=grid, normalizer=normalizer, units=units, attrs=attrs
    )
    is_empty = True
    with writer:
        for init_time, predictions in batches:
            writer.add(init_time, predictions)
            is_empty = False
    if is_empty:
        raise ValueError("there are no forecasts to write; expected at least one batch")
    return path


def _naming(label: str) -> tuple[str, dict[str, str]]:
    """Give a channel's variable and attributes; what is no weather goes by its label."""
    if not is_channel(label):
        return label, {"long_name": label}
    parsed = channel(label)
    if parsed.level is None:
        return parsed.variable.name, parsed.variable.attrs
    return label, parsed.variable.attrs | {"level": f"{parsed.level} hPa"}
