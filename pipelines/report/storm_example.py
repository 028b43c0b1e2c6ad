"""A storm whose track is known, in made-up fields: what the tracker and its figures do with it.

`python -m pipelines.report.storm_example --storm "Mawar 2023" --out workspace/storm_example` puts a
vortex with the pressure of the best track at its positions, hour by hour, on 0.25 degrees, adds
smooth weather and noise, follows it as it would in ERA5, and draws both.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.analysis.cyclones import Track
from met2net.analysis.great_circle import great_circle_km, longitude_difference, wrap_longitude
from met2net.analysis.track_errors import track_errors
from met2net.data.grid import Grid
from pipelines.errors import DataError
from pipelines.figures.cyclones import intensity_curves, track_map, tracks_of
from pipelines.figures.style import save
from pipelines.storms.best_tracks import best_track, find_storm
from pipelines.storms.tracks import analysis_track, track_storm

__all__ = ["draw_example", "made_up_analysis"]

_STEP = 0.25  # [degrees]
_MARGIN = 5.0  # around the track [degrees]
_BACKGROUND, _NOISE = 101_000.0, 30.0  # [Pa]
_RADIUS_KM, _SHAPE = 50.0, 1.3  # of Holland's profile
_DENSITY = 1.15  # of air [kg m-3]


def made_up_analysis(best: Track, *, seed: int = 0) -> xr.Dataset:
    """Make hourly pressure and 10 m wind of a vortex along a best track.

    Pressure and wind at a distance are those of Holland's profile, turning as on the track's
    hemisphere; around it lie a slope, a wave and white noise. The vortex has no land.

    Source: Holland 1980, doi:10.1175/1520-0493(1980)108<1212:AAMOTW>2.0.CO;2.

    Args:
        best: where it is, and its pressure, which is interpolated where not known.
        seed: of the noise.

    Raises:
        DataError: if the best track has fewer than two pressures.
    """
    hourly = _hourly(best)
    grid = _grid_around(best)
    latitude, longitude = np.asarray(grid.latitude)[:, None], np.asarray(grid.longitude)
    rng = np.random.default_rng(seed)
    hours = np.arange(len(hourly))[:, None, None]
    weather = 300 * np.cos(np.deg2rad(6 * longitude) - 0.05 * hours) - 15 * (latitude - 20)
    pressure = np.empty((len(hourly), *grid.shape), dtype=np.float32)
    winds = np.empty((2, *pressure.shape), dtype=np.float32)
    for number in range(len(hourly)):
        at = (hourly.latitude[number], hourly.longitude[number])
        far = np.maximum(great_circle_km(*at, latitude, longitude), 1e-3)
        depth = max(_BACKGROUND - hourly.pressure[number], 0.0)
        ring = (_RADIUS_KM / far) ** _SHAPE
        noise = rng.normal(scale=_NOISE, size=grid.shape)
        pressure[number] = _BACKGROUND + weather[number] + noise - depth * (1 - np.exp(-ring))
        speed = np.sqrt(_SHAPE * depth / _DENSITY * ring * np.exp(-ring))
        east = longitude_difference(longitude, at[1]) * np.cos(np.deg2rad(at[0]))
        north = latitude - at[0]
        turn = np.sign(at[0]) * speed / np.maximum(np.hypot(east, north), 1e-6)
        winds[:, number] = -turn * north, turn * east
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {
            "mean_sea_level_pressure": (dims, pressure, {"units": "Pa"}),
            "10m_u_component_of_wind": (dims, winds[0], {"units": "m s-1"}),
            "10m_v_component_of_wind": (dims, winds[1], {"units": "m s-1"}),
        },
        coords={
            "time": hourly.time, "latitude": list(grid.latitude),
            "longitude": list(grid.longitude),
        },
        attrs={"attribution": "made up, along a best track of IBTrACS"},
    )  # fmt: skip


def draw_example(storm: str, *, out: Path, table: Path | None = None) -> str:
    """Follow a storm in made-up fields; write its tracks and two figures.

    Args:
        storm: see `pipelines.storms.best_tracks.find_storm`.
        out: folder; `tracks_<name>.nc`, `storm_<name>_track.png` and
            `storm_<name>_intensity.png` are written into it.
        table: of best tracks; see `pipelines.storms.best_tracks.best_track`.

    Returns:
        How far the tracked centres lie from the best track.

    Raises:
        DataError: if there is no such best track, or it has fewer than two pressures.
        ValueError: if the storm is not known.
    """
    chosen = find_storm(storm)
    best = best_track(chosen, table=table)
    analysis = made_up_analysis(best)
    path = track_storm(chosen, best=best, analysis=analysis, forecasts={}, out=out)
    with xr.open_dataset(path) as tracks:
        drawn = tracks_of(tracks.load(), lead_time=0)
    title = f"{chosen.name}, best track and a vortex along it"
    name = chosen.name.lower()
    save(track_map(drawn, title=title), out / f"storm_{name}_track.png")
    save(intensity_curves(drawn, title=chosen.name), out / f"storm_{name}_intensity.png")
    found = analysis_track(analysis, best=best)
    errors = track_errors(found, _hourly(best)).position
    return (
        f"{chosen.name}: found at {len(found)} of {len(analysis['time'])} hours, "
        f"{np.median(errors):.1f} km from the best track in the median, at most "
        f"{errors.max():.1f} km; a grid cell is {_STEP * 111.2:.0f} km. {out}"
    )


def _hourly(best: Track) -> Track:
    """Interpolate a track to every hour between its first and last pressure.

    Raises:
        DataError: if there are fewer than two pressures.
    """
    known = np.isfinite(best.pressure)
    if known.sum() < 2:
        raise DataError("found a best track with fewer than 2 pressures; expected more")
    first, last = best.time[known][[0, -1]]
    time = np.arange(first, last + np.timedelta64(1, "h"), np.timedelta64(1, "h"))

    def at(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        known = best.time[where].astype(np.int64)
        return np.asarray(np.interp(time.astype(np.int64), known, values[where]))

    everywhere = np.ones(len(best), dtype=bool)
    longitude = at(np.unwrap(best.longitude, period=360.0), everywhere)
    return Track(
        time, at(best.latitude, everywhere), wrap_longitude(longitude), at(best.pressure, known),
        np.full(len(time), np.nan), "end of the best track",
    )  # fmt: skip


def _grid_around(best: Track) -> Grid:
    """Give a box around a track, or the circle where it crosses the longitudes' start."""
    south, north = (float(end(best.latitude)) for end in (np.min, np.max))
    latitude = np.arange(np.floor(south - _MARGIN), np.ceil(north + _MARGIN) + _STEP / 2, _STEP)
    west, east = np.floor(best.longitude.min() - _MARGIN), np.ceil(best.longitude.max() + _MARGIN)
    if west < 0 or east >= 360:
        west, east = 0.0, 360.0 - _STEP
    longitude = np.arange(west, east + _STEP / 2, _STEP)
    return Grid(tuple(latitude[np.abs(latitude) <= 90][::-1].tolist()), tuple(longitude.tolist()))


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.report.storm_example")
    parser.add_argument("--storm", default="Mawar 2023", help="name and year, or number in IBTrACS")
    parser.add_argument("--out", type=Path, default=Path("workspace") / "storm_example")
    given = parser.parse_args(arguments)
    try:
        sys.stdout.write(draw_example(given.storm, out=given.out) + "\n")
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
