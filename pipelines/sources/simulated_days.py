"""Simulate some days, from a seed or a kept state: their fields and the state at their end."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipelines.atomic import replacing
from pipelines.progress_bar import progress_bar
from pipelines.sources.gcm_simulation import simulator

__all__ = ["simulate_days"]

_logger = logging.getLogger(__name__)


def simulate_days(
    days: int,
    *,
    clock: np.datetime64,
    before: Path | int,
    state: Path,
    fields: Path | None = None,
    keep: Callable[[xr.Dataset], xr.Dataset] = lambda day: day,
) -> None:
    """Simulate some days; write the state at their end and, if wanted, their fields.

    Args:
        days: number of days.
        clock: start of the simulation's clock, the same for all its pieces.
        before: state to go on from, or the seed of a new simulation.
        state: where the state at the end is written.
        fields: netCDF file for the hourly fields, or None to throw them away.
        keep: chooses the fields of a day that are written.
    """
    weather = simulator(clock)
    if isinstance(before, Path):
        weather.load_state(before)
    else:
        weather.begin(before)
    kept = []
    with progress_bar("simulating", days, unit="days") as advance:
        for number in range(1, days + 1):
            day = weather.day()
            if fields is not None:
                kept.append(keep(day))
            advance(1)
            if number % 10 == 0 or number == days:
                _logger.info("simulated to %s (%d of %d days)",
                             day["time"].values[-1].astype("datetime64[h]"), number,
                             days)  # fmt: skip
    if fields is not None:
        piece = xr.concat(kept, dim="time", data_vars="all", coords="minimal", join="exact",
                          compat="equals", combine_attrs="override")  # fmt: skip
        with replacing(fields) as part:
            _write(piece, part)
    with replacing(state) as part:
        weather.save_state(part)


def _write(piece: xr.Dataset, path: Path) -> None:
    """Write fields as compressed netCDF, a day a chunk."""
    encoding: dict[str, Any] = {
        str(name): {
            "zlib": True,
            "complevel": 1,
            "chunksizes": tuple(
                min(24, field.sizes[d]) if d == "time" else field.sizes[d] for d in field.dims
            ),
        }
        for name, field in piece.data_vars.items()
    }
    encoding["time"] = {"units": "hours since 1970-01-01", "dtype": "int64"}
    piece.to_netcdf(path, engine="netcdf4", encoding=encoding)
