"""Whether storms can be followed in the data at hand: asked before anything is trained."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from met2net.analysis.cyclones import Track
from met2net.data.channel_roles import forecast_channels
from met2net.data.grid import Grid
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec, find_windows
from pipelines.errors import DataError
from pipelines.fields.target_grids import Box
from pipelines.period import Period
from pipelines.storms.best_tracks import Storm, best_track, find_storm

__all__ = ["PRESSURE", "check_storm_settings", "check_storms", "hours_of_storm", "windows_of_storm"]

PRESSURE = "msl"
"""Channel of the pressure that the tracker follows."""


def check_storm_settings(
    storms: Sequence[str],
    *,
    channels: Sequence[str],
    split: str,
    period: Period,
    box: Box | None,
    table: Path | None = None,
) -> None:
    """Check what settings alone tell: channels, the split's hours, and the box of the grid.

    Args:
        storms: names or numbers, see `pipelines.storms.best_tracks.find_storm`.
        channels: that will be forecast.
        split: whose forecasts are followed.
        period: of the split.
        box: of the archive's grid; None: as the source has it, which is not looked at.
        table: of best tracks; see `best_track`.

    Raises:
        DataError: if a storm has no best track, or cannot be followed.
    """
    for storm in map(find_storm, storms):
        check_pressure(storm, channels)
        best = best_track(storm, table=table)
        times = best.time[period.contains(best.time)]
        if len(times) == 0:
            raise _outside_hours(storm, best, split=split, span=(period.first, period.last))
        if box is not None and not _is_in_box(box, best.at(times)).any():
            raise DataError(
                f"storm {storm.name} never lies in the box of the grid ({box.south:g} to "
                f"{box.north:g} N, {box.west:g} to {box.east:g} E) during the {split} split"
            )


def check_storms(
    training_set: Path,
    *,
    window: WindowSpec,
    split: str,
    storms: Sequence[str],
    table: Path | None = None,
) -> None:
    """Check the same, the domain and the windows in a training set.

    Raises:
        DataError: as `pipelines.storms.follow.track_storms`, but for what only the fields tell.
    """
    if not storms:
        return
    data = TrainingSet.open(training_set)
    for storm in map(find_storm, storms):
        check_pressure(storm, forecast_channels(window, data.channels))
        best = best_track(storm, table=table)
        rows = hours_of_storm(data, storm, best=best, split=split)
        times = data.hours[rows].astype("datetime64[h]").astype("datetime64[ns]")
        inside = best.time[_is_inside(data.grid, best, times=times)]
        kept = times[(times >= inside[0]) & (times <= inside[-1])]
        windows_of_storm(data, storm, window=window, split=split, times=kept)


def hours_of_storm(data: TrainingSet, storm: Storm, *, best: Track, split: str) -> np.ndarray:
    """Give the rows of the split's hours in which a storm is known.

    Raises:
        DataError: if there is no pressure, or the storm lies outside the hours or the domain.
    """
    check_pressure(storm, data.channels)
    in_split = data.in_split(split)
    times = data.hours.astype("datetime64[h]").astype("datetime64[ns]")
    rows = np.flatnonzero(in_split & (times >= best.time[0]) & (times <= best.time[-1]))
    if len(rows) == 0:
        span = times[in_split]
        raise _outside_hours(storm, best, split=split, span=(span[0], span[-1]))
    if not _is_inside(data.grid, best, times=times[rows]).any():
        raise DataError(
            f"storm {storm.name} never lies in the domain {data.grid} during the {split} split"
        )
    return rows


def windows_of_storm(
    data: TrainingSet, storm: Storm, *, window: WindowSpec, split: str, times: np.ndarray
) -> np.ndarray:
    """Find the windows whose init time is one of the times at which the storm is there.

    Raises:
        DataError: if there is none.
    """
    rows = find_windows(data.hours, spec=window, in_split=data.in_split(split))
    init = data.hours[rows[:, window.num_inputs - 1]].astype("datetime64[h]")
    rows = rows[np.isin(init.astype("datetime64[ns]"), times)]
    if len(rows) == 0:
        raise DataError(
            f"storm {storm.name}: found no window of the {split} split that begins while it is in "
            f"the domain, {_day(times[0])} to {_day(times[-1])}"
        )
    return np.asarray(rows)


def _is_inside(grid: Grid, best: Track, *, times: np.ndarray) -> np.ndarray:
    """Tell which positions of a best track lie in the domain at one of the times."""
    south, north = grid.latitude[-1], grid.latitude[0]
    inside = (best.latitude >= south) & (best.latitude <= north) & np.isin(best.time, times)
    if not grid.is_periodic:
        east = np.mod(best.longitude - grid.longitude[0], 360)
        inside &= east <= grid.longitude[-1] - grid.longitude[0]
    return np.asarray(inside)


def _is_in_box(box: Box, best: Track) -> np.ndarray:
    width = (box.east - box.west) % 360 or 360.0
    inside = (best.latitude >= box.south) & (best.latitude <= box.north)
    return np.asarray(inside & (np.mod(best.longitude - box.west, 360) <= width))


def check_pressure(storm: Storm, channels: Sequence[str]) -> None:
    """Refuse to follow a storm without its pressure.

    Raises:
        DataError: if it is not among the channels.
    """
    if PRESSURE not in channels:
        raise DataError(
            f"storm {storm.name}: found channels {', '.join(channels)}; expected {PRESSURE} "
            "among them, which the tracker follows"
        )


def _outside_hours(
    storm: Storm, best: Track, *, split: str, span: tuple[np.datetime64, np.datetime64]
) -> DataError:
    return DataError(
        f"storm {storm.name} lasted from {_day(best.time[0])} to {_day(best.time[-1])}; found "
        f"the {split} split from {_day(span[0])} to {_day(span[1])}, which has none of it"
    )


def _day(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="D"))
