"""Follow one tropical cyclone in the analysis and in forecasts, and compare the tracks."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.analysis.cyclones import Track, track
from met2net.analysis.vortex_centre import TrackerSettings
from met2net.data.grid import Grid
from met2net.forecast import Forecaster
from pipelines.atomic import write_netcdf
from pipelines.errors import DataError
from pipelines.storms.best_tracks import Storm
from pipelines.storms.forecast_errors import forecast_errors
from pipelines.storms.track_metadata import with_track_names

__all__ = ["analysis_track", "forecast_storm", "track_forecasts", "track_storm"]

_PRESSURE = "mean_sea_level_pressure"
_WIND = ("10m_u_component_of_wind", "10m_v_component_of_wind")
_SETTINGS = TrackerSettings()
_UNITS = {"latitude": "degrees_north", "longitude": "degrees_east", "pressure": "Pa",
          "wind": "m s-1"}  # fmt: skip

logger = logging.getLogger(__name__)


def track_storm(
    storm: Storm,
    *,
    best: Track,
    analysis: xr.Dataset,
    forecasts: Mapping[str, xr.Dataset],
    out: Path,
    settings: TrackerSettings = _SETTINGS,
) -> Path:
    """Write the tracks of one storm and the errors of its forecasts.

    Args:
        storm: whose name the file takes.
        best: its best track: the first guess, and the second truth.
        analysis: `mean_sea_level_pressure(time, latitude, longitude)` [Pa] and, where there
            are any, both components of the 10 m wind [m s-1], as an archive holds them.
        forecasts: model -> the same over `init_time, lead_time, latitude, longitude`, as
            `met2net.forecast.Forecaster` gives them.
        out: folder; `tracks_<name>.nc` is written into it.
        settings: what counts as a cyclone.

    Returns:
        Path of the file. `analysis_latitude(time)` ..., `best_latitude(best_time)` ... are the
        truths; `latitude(model, init_time, lead_time)` ... the forecasts, NaN where the storm
        was not found. `position_error` [km], `pressure_error` [Pa] and `wind_error` [m s-1]
        are against the analysis, `best_...` against the best track, at its hours.
        `mean_position_error(model, lead_time)` ... are means over `count` cases in which all
        models found the storm.

    Raises:
        DataError: if a variable is missing or in other units, a grid differs, or the analysis
            holds nothing of the storm.
    """
    truth = analysis_track(analysis, best=best, settings=settings)
    grid = Grid.from_dataset(analysis)
    tracked = []
    for name, forecast in forecasts.items():
        if not Grid.from_dataset(forecast).matches(grid):
            found = Grid.from_dataset(forecast)
            raise DataError(f"forecasts of {name}: found grid {found}; expected {grid}")
        one = track_forecasts(forecast, truth=truth, settings=settings)
        tracked.append(one.expand_dims(model=[name]))
    parts = [_track_arrays(truth, prefix="analysis_", dim="time"),
             _track_arrays(best, prefix="best_", dim="best_time")]  # fmt: skip
    if tracked:
        # Models may have other init or lead times: what one lacks is NaN.
        joined = xr.concat(tracked, dim="model", join="outer")
        parts += [
            joined,
            forecast_errors(joined, truth, prefix=""),
            forecast_errors(joined, best, prefix="best_"),
        ]
    tracks = xr.merge(parts, join="outer", compat="no_conflicts", combine_attrs="override")
    tracks.attrs = {
        "storm": storm.name,
        "track_id": storm.track_id,
        "analysis_ended": truth.ended,
        "attribution": str(analysis.attrs.get("attribution", "")),
        **{f"tracker_{name}": value for name, value in vars(settings).items()},
    }
    path = out / f"tracks_{storm.name.lower()}.nc"
    write_netcdf(path, with_track_names(tracks, title=f"Tracks of {storm.name} and their errors"))
    logger.info("tracked %s over %d hours, %d models: %s", storm.name, len(truth), len(tracked),
                path)  # fmt: skip
    return path


def analysis_track(
    analysis: xr.Dataset, *, best: Track, settings: TrackerSettings = _SETTINGS
) -> Track:
    """Follow a storm in the analysis, from where its best track first meets it.

    Raises:
        DataError: if a variable is missing or in other units, or no hour of the best track
            leads to a centre.
    """
    grid = Grid.from_dataset(analysis)
    times = analysis["time"].values
    starts = np.flatnonzero(np.isin(best.time, times))
    last = best.time[-1]
    for start in starts:
        part = analysis.sel(time=(times >= best.time[start]) & (times <= last))
        guess = (float(best.latitude[start]), float(best.longitude[start]))
        # One field tells whether there is a centre; the long read comes only where there is.
        if len(_follow(part.isel(time=slice(1)), grid, guess=guess, settings=settings)):
            return _follow(part, grid, guess=guess, settings=settings)
    raise DataError(
        f"found no centre near {len(starts)} positions of the best track, {best.time[0]} to "
        f"{last}; expected the storm inside {grid}"
    )


def track_forecasts(
    forecasts: xr.Dataset, *, truth: Track, settings: TrackerSettings = _SETTINGS
) -> xr.Dataset:
    """Follow the storm through the lead times of every forecast.

    A forecast's first guess is the centre of the analysis at its init time; init times without
    one are left out.

    Returns:
        `latitude`, `longitude`, `pressure`, `wind` over `init_time, lead_time` [hours], NaN
        after the end of a track, and `ended(init_time)`.

    Raises:
        DataError: if a variable is missing or in other units, or no init time lies on the track.
    """
    grid = Grid.from_dataset(forecasts)
    known = np.isin(forecasts["init_time"].values, truth.time)
    if not known.any():
        raise DataError(
            f"found no forecast initialized while the storm was in the box; expected init times "
            f"from {truth.time[0]} to {truth.time[-1]}"
        )
    chosen = forecasts.isel(init_time=known)
    leads = chosen["lead_time"].values.astype("timedelta64[ns]")
    table = np.full((4, chosen.sizes["init_time"], len(leads)), np.nan)
    ended = []
    for number, init_time in enumerate(chosen["init_time"].values):
        start = truth.at(np.array([init_time]))
        fields = chosen.isel(init_time=number).drop_vars(
            ["init_time", "valid_time"], errors="ignore"
        )
        fields = fields.assign_coords(lead_time=init_time + leads).rename(lead_time="time")
        guess = (float(start.latitude[0]), float(start.longitude[0]))
        found = _follow(fields, grid, guess=guess, settings=settings)
        table[:, number, : len(found)] = (
            found.latitude, found.longitude, found.pressure, found.wind,
        )  # fmt: skip
        ended.append(found.ended)
    hours = leads / np.timedelta64(1, "h")
    return xr.Dataset(
        {
            name: (("init_time", "lead_time"), values, {"units": units})
            for (name, units), values in zip(_UNITS.items(), table, strict=True)
        }
        | {"ended": ("init_time", ended)},
        coords={
            "init_time": chosen["init_time"].values,
            "lead_time": ("lead_time", hours, {"units": "hours"}),
        },
    )


def forecast_storm(
    forecaster: Forecaster, analysis: xr.Dataset, *, init_times: np.ndarray
) -> xr.Dataset:
    """Forecast the tracker's fields from successive init times.

    Raises:
        ValueError: as `Forecaster.forecast`.
    """
    names = [_PRESSURE, *_WIND]
    runs = []
    for init_time in init_times:
        forecast = forecaster.forecast(analysis, init_time)
        runs.append(forecast[[name for name in names if name in forecast]])
    return xr.concat(runs, dim="init_time")


def _follow(
    fields: xr.Dataset, grid: Grid, *, guess: tuple[float, float], settings: TrackerSettings
) -> Track:
    """Read the fields of one track (time, latitude, longitude) and follow it."""
    if all(name in fields for name in _WIND):
        u, v = (_read(fields, name, units="m s-1") for name in _WIND)
        speed = np.hypot(u, v)
    else:
        speed = None
    return track(
        _read(fields, _PRESSURE, units="Pa"), grid, time=fields["time"].values,
        first_guess=guess, wind_speed=speed, settings=settings,
    )  # fmt: skip


def _read(fields: xr.Dataset, name: str, *, units: str) -> np.ndarray:
    """Read one variable in its units."""
    if name not in fields:
        found = ", ".join(map(str, fields.data_vars)) or "none"
        raise DataError(f"found no variable {name}; found: {found}")
    found_units = fields[name].attrs.get("units")
    if found_units != units:
        raise DataError(f"{name}: found units {found_units!r}; expected {units!r}")
    return np.asarray(fields[name].transpose("time", "latitude", "longitude").values)


def _track_arrays(one: Track, *, prefix: str, dim: str) -> xr.Dataset:
    """Write a track as variables of a dataset."""
    return xr.Dataset(
        {
            f"{prefix}{name}": (dim, getattr(one, name), {"units": units})
            for name, units in _UNITS.items()
        },
        coords={dim: one.time},
    )
