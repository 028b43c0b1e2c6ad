"""Errors of a storm's forecast tracks, by init and lead time."""

import numpy as np
import xarray as xr

from met2net.analysis.cyclones import Track
from met2net.analysis.track_errors import track_errors
from pipelines.errors import DataError

__all__ = ["fixed_lead_track", "forecast_errors"]

_VALUES = ("latitude", "longitude", "pressure", "wind")
_ERROR_UNITS = {"position": "km", "pressure": "Pa", "wind": "m s-1"}


def fixed_lead_track(tracks: xr.Dataset, *, lead_time: float) -> Track:
    """Join what successive forecasts said about one lead time [hours] into a track.

    This is the track of the paper's figures 6 and 9. Times at which a forecast lost the storm
    are left out.

    Args:
        tracks: as `track_forecasts` gives them, of one model.
        lead_time: one of theirs.

    Raises:
        DataError: if there is no such lead time.
    """
    if lead_time not in tracks["lead_time"].values:
        raise DataError(f"found no lead time {lead_time:g} h in {tracks['lead_time'].values}")
    at = tracks.sel(lead_time=lead_time)
    at = at.isel(init_time=np.isfinite(at["latitude"].values))
    valid = at["init_time"].values + np.timedelta64(round(lead_time * 3600), "s")
    values = [at[name].values.astype(np.float64) for name in _VALUES]
    latitude, longitude, pressure, wind = values
    return Track(valid, latitude, longitude, pressure, wind, ended="end of the forecasts")


def forecast_errors(tracks: xr.Dataset, truth: Track, *, prefix: str) -> xr.Dataset:
    """Give errors of every forecast, and means over the cases that all models have."""
    size = tuple(tracks.sizes[dim] for dim in ("model", "init_time", "lead_time"))
    table = {name: np.full(size, np.nan) for name in _ERROR_UNITS}
    for column, lead_time in enumerate(tracks["lead_time"].values):
        shift = np.timedelta64(round(lead_time * 3600), "s")
        for row in range(size[0]):
            one = fixed_lead_track(tracks.isel(model=row), lead_time=lead_time)
            errors = track_errors(one, truth)
            places = np.searchsorted(tracks["init_time"].values, errors.time - shift)
            for name, values in table.items():
                values[row, places, column] = getattr(errors, name)
    dims = ("model", "init_time", "lead_time")
    arrays: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {}
    in_all = np.isfinite(table["position"]).all(axis=0)  # (init_time, lead_time)
    for name, units in _ERROR_UNITS.items():
        arrays[f"{prefix}{name}_error"] = (dims, table[name], {"units": units})
        arrays[f"mean_{prefix}{name}_error"] = (
            ("model", "lead_time"), _mean(table[name], in_all), {"units": units},
        )  # fmt: skip
    arrays[f"{prefix}count"] = (("lead_time",), in_all.sum(axis=0), {"units": "1"})
    return xr.Dataset(arrays, coords={dim: tracks[dim] for dim in dims})


def _mean(values: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """Average over the init times that count and have a value; NaN without any."""
    usable = cases & np.isfinite(values).all(axis=0)
    total = np.where(usable, values, 0.0).sum(axis=1)
    number = usable.sum(axis=0)
    mean = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
    return np.asarray(mean)
