import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net.analysis.great_circle import (
    EARTH_RADIUS_KM,
    great_circle_km,
    longitude_difference,
    wrap_longitude,
)

latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 360)


def test_known_distances():
    quarter = np.pi / 2 * EARTH_RADIUS_KM
    assert great_circle_km(0, 0, 0, 90) == pytest.approx(quarter)
    assert great_circle_km(90, 17, 0, 200) == pytest.approx(quarter)
    assert great_circle_km(60, 0, 60, 180) == pytest.approx(2 * quarter / 3)
    assert great_circle_km(0, 0, 0, 180) == pytest.approx(2 * quarter)
    # Manila to Tokyo, by the law of cosines.
    a, b = np.deg2rad([14.5995, 120.9842]), np.deg2rad([35.6762, 139.6503])
    cosine = np.sin(a[0]) * np.sin(b[0]) + np.cos(a[0]) * np.cos(b[0]) * np.cos(a[1] - b[1])
    assert great_circle_km(14.5995, 120.9842, 35.6762, 139.6503) == pytest.approx(
        EARTH_RADIUS_KM * np.arccos(cosine)
    )


def test_a_metre_is_a_metre():
    metre = 360 / (2 * np.pi * EARTH_RADIUS_KM * 1000)
    assert great_circle_km(20.0, 130.0, 20.0 + metre, 130.0) == pytest.approx(1e-3, rel=1e-6)


@given(latitudes, longitudes, latitudes, longitudes)
def test_distance_does_not_depend_on_direction_or_on_where_longitudes_begin(a, b, c, d):
    distance = great_circle_km(a, b, c, d)
    assert distance == pytest.approx(great_circle_km(c, d, a, b), abs=1e-6)
    assert distance == pytest.approx(great_circle_km(a, b + 360, c, d - 360), abs=1e-3)
    assert 0 <= distance <= np.pi * EARTH_RADIUS_KM + 1e-6


def test_the_antimeridian_is_no_border():
    assert great_circle_km(10, 179.5, 10, -179.5) == pytest.approx(great_circle_km(10, 0, 10, 1))
    assert great_circle_km(10, 359.5, 10, 0.5) == pytest.approx(great_circle_km(10, 0, 10, 1))
    np.testing.assert_allclose(
        longitude_difference(np.array([359.0, -179.0, 181.0]), 1.0), [-2.0, -180.0, -180.0]
    )
    assert longitude_difference(-179.0, 179.0) == pytest.approx(2.0)


def test_arrays_broadcast():
    assert great_circle_km(0.0, 0.0, np.zeros((3, 1)), np.zeros(4)).shape == (3, 4)


def test_wrapped_longitudes_lie_from_0_to_below_360():
    wrapped = wrap_longitude(np.array([-180.0, -1e-16, 0.0, 359.5, 360.0, 725.0]))
    np.testing.assert_array_equal(wrapped, [180.0, 0.0, 0.0, 359.5, 0.0, 5.0])
