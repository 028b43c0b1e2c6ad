"""A storm along a known track, as an analysis and as forecasts of two models."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from met2net.analysis.cyclones import Track
from met2net.analysis.great_circle import great_circle_km
from met2net.data.grid import Grid

BACKGROUND, DEPTH, WIDTH_KM, SPEED = 101_000.0, 5000.0, 120.0, 30.0
GRID = Grid(tuple(40.0 - 0.5 * np.arange(57)), tuple(115.0 + 0.5 * np.arange(53)))


def vortex(grid: Grid, latitude: float, longitude: float, depth: float = DEPTH) -> np.ndarray:
    """Fall of pressure [Pa] towards the centre: a bell."""
    far = great_circle_km(
        latitude, longitude, np.asarray(grid.latitude)[:, None], np.asarray(grid.longitude)
    )
    return depth * np.exp(-(far**2) / (2 * WIDTH_KM**2))


def fields_along(latitude, longitude, *, grid: Grid = GRID, depth: float = DEPTH) -> xr.Dataset:
    """Pressure and wind of a storm at every position, over a dimension `time` without values."""
    falls = np.stack([vortex(grid, *p, depth) for p in zip(latitude, longitude, strict=True)])
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {
            "mean_sea_level_pressure": (dims, BACKGROUND - falls, {"units": "Pa"}),
            "10m_u_component_of_wind": (dims, 0.6 * SPEED * falls / DEPTH, {"units": "m s-1"}),
            "10m_v_component_of_wind": (dims, 0.8 * SPEED * falls / DEPTH, {"units": "m s-1"}),
        },
        coords={"latitude": list(grid.latitude), "longitude": list(grid.longitude)},
    )


def write_table(path: Path, best: Track, *, number: str) -> Path:
    """Write a best track as IBTrACS has it."""
    pd.DataFrame(
        {
            "track_id": number, "time": best.time, "lat": best.latitude, "lon": best.longitude,
            "slp": best.pressure / 100, "wind": best.wind,
        }
    ).to_csv(path, index=False)  # fmt: skip
    return path


def make_best(hours: int = 48) -> Track:
    """Six-hourly positions on a bent way from south-east to north."""
    time = np.datetime64("2023-05-27T00", "ns") + np.arange(0, hours + 1, 6) * np.timedelta64(
        1, "h"
    )
    latitude, longitude = position(np.arange(0, hours + 1, 6))
    known = np.full(len(time), np.nan)
    return Track(time, latitude, longitude, known + 96_000, known, "end of the best track")


def position(hour) -> tuple[np.ndarray, np.ndarray]:
    hour = np.asarray(hour, dtype=float)
    return 16.0 + 0.2 * hour, 137.0 - 0.35 * hour + 0.003 * hour**2


def make_analysis(hours: int = 48) -> xr.Dataset:
    """Hourly fields of the storm of `make_best`."""
    hour = np.arange(hours + 1)
    time = np.datetime64("2023-05-27T00", "ns") + hour * np.timedelta64(1, "h")
    return fields_along(*position(hour)).assign_coords(time=time)


def make_forecasts(
    *, north_per_hour: float, depth: float = DEPTH, inits=range(0, 37, 3), leads=range(1, 7)
) -> xr.Dataset:
    """Forecasts that drift north of the truth by a known way an hour of lead time."""
    leads = np.asarray(leads)
    runs = []
    for init in inits:
        latitude, longitude = position(init + leads)
        fields = fields_along(latitude + north_per_hour * leads, longitude, depth=depth)
        runs.append(fields.rename(time="lead_time"))
    start = np.datetime64("2023-05-27T00", "ns")
    return xr.concat(runs, dim="init_time").assign_coords(
        init_time=start + np.asarray(inits) * np.timedelta64(1, "h"),
        lead_time=(leads * np.timedelta64(1, "h")).astype("timedelta64[ns]"),
    )
