"""How far one track of a cyclone lies from another."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from met2net.analysis.cyclones import Track
from met2net.analysis.great_circle import great_circle_km

__all__ = ["TrackErrors", "track_errors"]


@dataclass(frozen=True, eq=False)
class TrackErrors:
    """Differences at the times that both tracks have.

    Attributes:
        time: valid times.
        position: great-circle distance [km].
        pressure: pressure at the centre, forecast less truth [Pa].
        wind: strongest wind, forecast less truth [m s-1].
    """

    time: np.ndarray
    position: Float64[np.ndarray, " n"]
    pressure: Float64[np.ndarray, " n"]
    wind: Float64[np.ndarray, " n"]


def track_errors(forecast: Track, truth: Track) -> TrackErrors:
    """Compare two tracks at their common times; times that only one has are left out.

    A weak forecast ends early: look at the number of times beside the mean error.
    """
    common = np.intersect1d(forecast.time, truth.time)
    ours, theirs = forecast.at(common), truth.at(common)
    return TrackErrors(
        common,
        great_circle_km(ours.latitude, ours.longitude, theirs.latitude, theirs.longitude),
        ours.pressure - theirs.pressure,
        ours.wind - theirs.wind,
    )
