"""Cyclones in a forecast, without knowing beforehand that there are any."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.analysis.cyclones import Track, track
from met2net.analysis.great_circle import great_circle_km
from met2net.analysis.vortex_centre import TrackerSettings
from met2net.data.cf_metadata import COORDINATES, history_line
from met2net.data.grid import Grid
from pipelines.atomic import write_netcdf

__all__ = ["TRACKS_FILE", "find_tracks", "write_tracks"]

TRACKS_FILE = "tracks.nc"

_PRESSURE = "mean_sea_level_pressure"
_WIND = ("10m_u_component_of_wind", "10m_v_component_of_wind")
_SETTINGS = TrackerSettings()
_POINTS = {
    "time": COORDINATES["time"],
    "latitude": COORDINATES["latitude"],
    "longitude": COORDINATES["longitude"],
    "pressure": {
        "standard_name": "air_pressure_at_mean_sea_level", "units": "Pa",
        "long_name": "pressure at the centre",
    },
    "wind": {
        "standard_name": "wind_speed", "units": "m s-1",
        "long_name": "strongest 10 m wind near the centre",
    },
}  # fmt: skip
_log = logging.getLogger(__name__)


def find_tracks(
    analysis: xr.Dataset, forecast: xr.Dataset, *, settings: TrackerSettings = _SETTINGS
) -> list[Track]:
    """Follow every cyclone of the init time through the forecast.

    A cyclone is a minimum of sea level pressure that the tracker takes for one: as much lower
    than the ring around it as its settings say. Storms of middle latitudes are found as well
    as tropical ones, and so are deep heat lows. Those that form later are not looked for.

    Args:
        analysis: fields at the init time (`time, latitude, longitude`).
        forecast: of one init time, as `met2net.forecast.Forecaster` gives it.
        settings: what counts as a cyclone.

    Returns:
        Tracks from the init time on, the deepest first; those lost before the first lead time
        are left out. None where there is no pressure, or the box is too small for a ring.
    """
    if _PRESSURE not in forecast or _PRESSURE not in analysis:
        return []
    grid = Grid.from_dataset(forecast)
    one = forecast.isel(init_time=0)
    start = one["init_time"].values
    time = np.concatenate([[start], one["valid_time"].values])
    msl = _joined(analysis.sel(time=start), one, _PRESSURE)
    wind = None
    if all(name in forecast and name in analysis for name in _WIND):
        u, v = (_joined(analysis.sel(time=start), one, name) for name in _WIND)
        wind = np.hypot(u, v)
    found: list[Track] = []
    for guess in _lows(msl[0], grid):
        try:
            followed = track(
                msl, grid, time=time, first_guess=guess, wind_speed=wind, settings=settings
            )
        except ValueError as error:
            _log.info("no cyclones are looked for: %s", error)
            return []
        if len(followed) > 1 and not any(_is_same(followed, other) for other in found):
            found.append(followed)
    return sorted(found, key=lambda one: float(one.pressure[0]))


def write_tracks(tracks: list[Track], forecast: xr.Dataset, folder: Path) -> Path | None:
    """Write `tracks.nc`: the points of all tracks, one track after the other.

    `time(obs)`, `latitude(obs)`, `longitude(obs)`, `pressure(obs)`, `wind(obs)`; of each track
    `track_id(trajectory)`, `row_size(trajectory)`, its number of points, and why it ends,
    `ended(trajectory)`. Source: CF conventions 1.11, H.4.3, contiguous ragged array.

    Returns:
        The file; None, and none left from before, where there are no tracks.
    """
    path = folder / TRACKS_FILE
    if not tracks:
        path.unlink(missing_ok=True)
        return None
    title = "Cyclones in: " + str(forecast.attrs.get("title", ""))
    points = {
        name: ("obs", np.concatenate([getattr(one, name) for one in tracks]), attrs)
        for name, attrs in _POINTS.items()
    }
    of_track = {
        "track_id": (
            "trajectory", np.arange(1, len(tracks) + 1),
            {"cf_role": "trajectory_id", "long_name": "number of the track, the deepest first"},
        ),
        "row_size": (
            "trajectory", [len(one) for one in tracks],
            {"sample_dimension": "obs", "long_name": "number of points of the track"},
        ),
        "ended": (
            "trajectory", [one.ended for one in tracks], {"long_name": "why the track ends"},
        ),
    }  # fmt: skip
    attrs = {**forecast.attrs, "Conventions": "CF-1.11", "featureType": "trajectory",
             "title": title, "history": history_line(title)}  # fmt: skip
    dataset = xr.Dataset({**points, **of_track}, attrs=attrs)
    dataset = dataset.set_coords(["time", "latitude", "longitude"])
    for name in dataset.coords:
        dataset[name].encoding["_FillValue"] = None
    dataset["time"].encoding |= {"units": "hours since 1970-01-01", "dtype": "int64",
                                 "calendar": "proleptic_gregorian"}  # fmt: skip
    for name in ("pressure", "wind"):
        dataset[name].encoding["coordinates"] = "time latitude longitude"
    for name in ("track_id", "row_size", "ended"):
        dataset[name].encoding["coordinates"] = None
    write_netcdf(path, dataset)
    return path


def _joined(analysis: xr.Dataset, forecast: xr.Dataset, name: str) -> np.ndarray:
    """Give the analysis and the lead times of a field, one after the other."""
    first = analysis[name].transpose("latitude", "longitude").values[None]
    rest = forecast[name].transpose("lead_time", "latitude", "longitude").values
    return np.concatenate([first, rest]).astype(np.float64)


def _lows(field: np.ndarray, grid: Grid) -> list[tuple[float, float]]:
    """Give the points that are as low as their neighbours, edges left out, lowest first."""
    sides = ((0, 0), (1, 1))
    if grid.is_periodic:
        columns = np.pad(field, sides, mode="wrap")
    else:
        columns = np.pad(field, sides, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(columns, (3, 3))
    inside = field[1:-1]
    # In a flat field every point is as low as its neighbours, and none is a low.
    is_low = (inside <= around.min(axis=(-2, -1))) & (inside < around.max(axis=(-2, -1)))
    rows, places = np.nonzero(is_low)
    order = np.argsort(inside[rows, places], kind="stable")
    return [
        (grid.latitude[rows[n] + 1], grid.longitude[places[n]]) for n in order
    ]  # the rows at the edge have no neighbours on one side


def _is_same(one: Track, other: Track) -> bool:
    """Tell whether two tracks start at the same centre."""
    far = great_circle_km(one.latitude[0], one.longitude[0], other.latitude[0], other.longitude[0])
    return bool(far < _SETTINGS.separation_km)
