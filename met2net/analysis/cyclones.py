"""Tracks of tropical cyclones in fields of mean sea level pressure, from a first guess."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from met2net.analysis.great_circle import longitude_difference
from met2net.analysis.vortex_centre import Miss, TrackerSettings, find_centre, strongest_wind
from met2net.data.grid import Grid

__all__ = ["Track", "track"]

_NO_SETTINGS = TrackerSettings()


@dataclass(frozen=True, eq=False)
class Track:
    """Where a cyclone was, and how strong.

    Attributes:
        time: valid times, strictly increasing.
        latitude: of the centre [degrees_north].
        longitude: of the centre, in [0, 360) [degrees_east].
        pressure: at the centre [Pa]; NaN where not known.
        wind: strongest 10 m wind near the centre [m s-1]; NaN where not known.
        ended: why it goes no further.

    Raises:
        ValueError: if the lengths differ, times do not increase or a position is out of range.
    """

    time: np.ndarray
    latitude: Float64[np.ndarray, " n"]
    longitude: Float64[np.ndarray, " n"]
    pressure: Float64[np.ndarray, " n"]
    wind: Float64[np.ndarray, " n"]
    ended: str

    def __post_init__(self) -> None:
        """Check lengths, times and positions."""
        parts = (self.time, self.latitude, self.longitude, self.pressure, self.wind)
        lengths = [len(part) for part in parts]
        if len(set(lengths)) != 1:
            raise ValueError(f"a track's arrays have lengths {lengths}; expected the same")
        if np.any(np.diff(self.time) <= np.timedelta64(0)):
            raise ValueError("times of a track are not strictly increasing")
        if np.any(np.abs(self.latitude) > 90) or np.any(
            (self.longitude < 0) | (self.longitude >= 360)
        ):
            raise ValueError(
                "a track's positions are out of range; expected latitude within 90 degrees and "
                "longitude from 0 to below 360"
            )

    def __len__(self) -> int:
        return len(self.time)

    def at(self, times: np.ndarray) -> "Track":
        """Keep the given times, those that the track has."""
        is_wanted = np.isin(self.time, times)
        return Track(
            self.time[is_wanted], self.latitude[is_wanted], self.longitude[is_wanted],
            self.pressure[is_wanted], self.wind[is_wanted], self.ended,
        )  # fmt: skip


def track(
    msl: Float[np.ndarray, "time lat lon"],
    grid: Grid,
    *,
    time: np.ndarray,
    first_guess: tuple[float, float],
    wind_speed: Float[np.ndarray, "_ _ _"] | None = None,
    settings: TrackerSettings = _NO_SETTINGS,
) -> Track:
    """Follow one cyclone from a first guess, field by field.

    In the first field the centre is looked for near the guess, in the second near the first
    centre, then near the place where the last two centres lead in a straight line. The track
    ends at the first field without a centre; it never jumps over one. How a centre is found:
    `met2net.analysis.vortex_centre.find_centre`.

    Args:
        msl: mean sea level pressure [Pa].
        grid: its points.
        time: valid times of the fields, datetime64, strictly increasing.
        first_guess: latitude and longitude near the centre in the first field; longitude
            counted from -180 or from 0.
        wind_speed: 10 m wind speed [m s-1].
        settings: what counts as a cyclone.

    Returns:
        The track; empty if there is no centre near the guess. `ended` is "end of the fields",
        "left the box" or "no minimum deep enough near the guess".

    Raises:
        ValueError: if shapes do not fit, a value is not finite, times do not increase, or the
            box is too small to measure a depth.
    """
    _check(msl, "msl", grid=grid, num_times=len(time))
    if wind_speed is not None:
        _check(wind_speed, "wind_speed", grid=grid, num_times=len(time))
    if not np.issubdtype(time.dtype, np.datetime64):
        raise ValueError(f"times are {time.dtype}; expected datetime64")
    if np.any(np.diff(time) <= np.timedelta64(0)):
        raise ValueError("times are not strictly increasing")
    rows: list[tuple[float, float, float, float]] = []
    ended = "end of the fields"
    for number in range(len(time)):
        guess = first_guess if not rows else _extrapolate(rows, time=time, number=number)
        found = find_centre(msl[number], grid, guess=guess, settings=settings)
        if isinstance(found, Miss):
            ended = found.reason
            break
        wind = np.nan
        if wind_speed is not None:
            wind = strongest_wind(
                wind_speed[number], grid, centre=found, radius_km=settings.wind_radius_km
            )
        rows.append((found.latitude, found.longitude, found.pressure, wind))
    columns = np.asarray(rows, dtype=np.float64).reshape(len(rows), 4).T
    return Track(time[: len(rows)], columns[0], columns[1], columns[2], columns[3], ended)


def _extrapolate(
    rows: list[tuple[float, float, float, float]], *, time: np.ndarray, number: int
) -> tuple[float, float]:
    """Go on as from the last but one to the last position."""
    latitude, longitude = rows[-1][:2]
    if len(rows) == 1:
        return latitude, longitude
    share = float((time[number] - time[number - 1]) / (time[number - 1] - time[number - 2]))
    north = latitude - rows[-2][0]
    east = float(longitude_difference(longitude, rows[-2][1]))
    return float(np.clip(latitude + share * north, -90.0, 90.0)), longitude + share * east


def _check(fields: np.ndarray, name: str, *, grid: Grid, num_times: int) -> None:
    """Refuse fields that are not on the grid, or have holes."""
    expected = (num_times, *grid.shape)
    if fields.shape != expected:
        raise ValueError(f"{name} has shape {fields.shape}; expected {expected}")
    if not np.isfinite(fields).all():
        raise ValueError(f"{name} holds values that are not finite; expected none")
