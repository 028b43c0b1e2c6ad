import numpy as np
import pytest

from met2net.analysis.cyclones import Track
from met2net.analysis.great_circle import EARTH_RADIUS_KM
from met2net.analysis.track_errors import track_errors
from tests.met2net.analysis.vortices import hours


def make_track(numbers, *, latitude=0.0, longitude=179.5, pressure=97_000.0, wind=30.0) -> Track:
    numbers = np.asarray(numbers)
    full = np.ones(len(numbers))
    return Track(
        hours(24)[numbers], full * latitude, full * longitude, full * pressure, full * wind, ""
    )


def test_a_degree_at_the_equator_across_the_antimeridian():
    errors = track_errors(
        make_track([1, 2, 3], longitude=180.5, pressure=97_500.0, wind=28.0),
        make_track([0, 1, 3, 9]),
    )
    degree = np.pi / 180 * EARTH_RADIUS_KM
    np.testing.assert_array_equal(errors.time, hours(24)[[1, 3]])
    np.testing.assert_allclose(errors.position, degree)
    np.testing.assert_allclose(errors.pressure, 500.0)
    np.testing.assert_allclose(errors.wind, -2.0)


def test_a_track_has_no_error_against_itself():
    one = make_track(range(5))
    errors = track_errors(one, one)
    assert errors.position.tolist() == errors.pressure.tolist() == [0.0] * 5


def test_unknown_intensity_leaves_the_position():
    errors = track_errors(make_track([0]), make_track([0], wind=np.nan))
    assert np.isnan(errors.wind[0]) and errors.position[0] == pytest.approx(0)


def test_tracks_of_other_days_have_nothing_in_common():
    assert len(track_errors(make_track([0, 1]), make_track([5])).time) == 0
