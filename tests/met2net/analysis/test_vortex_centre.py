import numpy as np
import pytest

from met2net.analysis.vortex_centre import (
    Centre,
    Miss,
    TrackerSettings,
    find_centre,
    strongest_wind,
)
from tests.met2net.analysis.vortices import BOX, GLOBE, bell, fields

SETTINGS = TrackerSettings()
X, Y = np.asarray(BOX.longitude) - 126.1, np.asarray(BOX.latitude)[:, None] - 28.2


def test_the_minimum_of_a_quadratic_is_exact():
    msl = 97_000.0 + 900 * X**2 + 500 * X * Y + 1200 * Y**2
    centre = find_centre(msl, BOX, guess=(28.0, 126.0), settings=SETTINGS)
    assert centre.latitude == pytest.approx(28.2, abs=1e-8)
    assert centre.longitude == pytest.approx(126.1, abs=1e-8)
    assert centre.pressure == pytest.approx(97_000.0, abs=1e-4)


def test_single_precision_is_enough():
    msl = (101_000.0 - bell(BOX, 28.2, 126.1)).astype(np.float32)
    centre = find_centre(msl, BOX, guess=(28.0, 126.0), settings=SETTINGS)
    assert centre.latitude == pytest.approx(28.2, abs=0.005)
    assert centre.longitude == pytest.approx(126.1, abs=0.005)


def test_without_a_minimum_of_the_fit_the_grid_point_stands():
    # A floor without curvature: the fit is level, and the point nearest to the guess is kept.
    msl = np.maximum(101_000.0 - bell(BOX, 28.0, 126.0, width_km=200.0), 98_000.0)
    centre = find_centre(msl, BOX, guess=(28.0, 126.0), settings=SETTINGS)
    assert (centre.latitude, centre.longitude) == (28.0, 126.0)
    assert centre.pressure == pytest.approx(98_000.0)


def test_the_nearest_centre_is_taken_not_the_deepest():
    msl = fields([bell(BOX, 28.0, 126.0) + bell(BOX, 28.0, 130.5, depth=8000.0)])[0]
    settings = TrackerSettings(search_radius_km=500.0)
    near = find_centre(msl, BOX, guess=(28.0, 126.5), settings=settings)
    far = find_centre(msl, BOX, guess=(28.0, 129.5), settings=settings)
    assert near.longitude == pytest.approx(126.0, abs=0.2)
    assert far.longitude == pytest.approx(130.5, abs=0.2)


def test_of_two_close_minima_the_lower_one_is_the_centre():
    msl = fields([bell(BOX, 28.0, 126.0, width_km=30.0) * 0.3 + bell(BOX, 28.0, 127.2)])[0]
    centre = find_centre(msl, BOX, guess=(28.0, 126.0), settings=SETTINGS)
    assert centre.longitude == pytest.approx(127.2, abs=0.1)


def test_the_search_radius_is_a_bound():
    msl = fields([bell(BOX, 28.0, 126.0)])[0]
    guess = (28.0 + 290 / 111.195, 126.0)
    assert isinstance(find_centre(msl, BOX, guess=guess, settings=SETTINGS), Centre)
    closer = TrackerSettings(search_radius_km=280.0)
    assert isinstance(find_centre(msl, BOX, guess=guess, settings=closer), Miss)


def test_wind_is_looked_for_within_its_radius_across_the_seam():
    speed = np.zeros(GLOBE.shape)
    speed[75, 359], speed[75, 5] = 30.0, 99.0  # 15 N; 1 W and 5 E
    centre = Centre(15.0, 0.5, 97_000.0)
    assert strongest_wind(speed, GLOBE, centre=centre, radius_km=250.0) == 30.0
    assert strongest_wind(speed, GLOBE, centre=centre, radius_km=600.0) == 99.0
    # A radius below a cell still has the nearest point.
    assert strongest_wind(speed + 1, GLOBE, centre=centre, radius_km=20.0) == 1.0
