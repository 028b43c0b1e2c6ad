"""Fields of sea level pressure with storms at known places."""

import numpy as np

from met2net.analysis.great_circle import great_circle_km
from met2net.data.grid import Grid

BACKGROUND = 101_000.0
START = np.datetime64("2023-05-26T00", "ns")
HOUR = np.timedelta64(1, "h")
# The paper's box: 44 to 12.25 N, 110 to 141.75 E at 0.25 degree.
BOX = Grid(tuple(44 - 0.25 * np.arange(128)), tuple(110 + 0.25 * np.arange(128)))
GLOBE = Grid(tuple(90 - 1.0 * np.arange(181)), tuple(1.0 * np.arange(360)))


def bell(grid: Grid, latitude, longitude, *, depth=4000.0, width_km=120.0) -> np.ndarray:
    """Fall of pressure [Pa] of a Gaussian vortex."""
    return depth * np.exp(-(_distance(grid, latitude, longitude) ** 2) / (2 * width_km**2))


def holland(grid: Grid, latitude, longitude, *, depth=4000.0, radius_km=60.0) -> np.ndarray:
    """Fall of pressure of Holland's profile (1980), which real storms are compared with."""
    far = np.maximum(_distance(grid, latitude, longitude), 1e-3)
    return depth * (1 - np.exp(-((radius_km / far) ** 1.3)))


def fields(falls) -> np.ndarray:
    return BACKGROUND - np.stack(list(falls))


def hours(count: int) -> np.ndarray:
    return START + np.arange(count) * HOUR


def _distance(grid: Grid, latitude, longitude) -> np.ndarray:
    return great_circle_km(
        latitude, longitude, np.asarray(grid.latitude)[:, None], np.asarray(grid.longitude)
    )
