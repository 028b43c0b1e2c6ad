import numpy as np
import pytest

from met2net.analysis.cyclones import Track, track
from met2net.analysis.great_circle import longitude_difference
from met2net.analysis.vortex_centre import TrackerSettings
from met2net.data.grid import Grid
from tests.met2net.analysis.vortices import BOX, GLOBE, bell, fields, holland, hours

# North-west, then north-east: 60 hours inside the paper's box.
HOUR = np.arange(60)
LATITUDE = 14.0 + 0.2 * HOUR
LONGITUDE = 136.0 - 0.3 * HOUR + 0.003 * HOUR**2


def errors_in_cells(found: Track, latitude, longitude, *, step=0.25) -> np.ndarray:
    count = len(found)
    north = found.latitude - latitude[:count]
    east = longitude_difference(found.longitude, np.asarray(longitude[:count]))
    return np.hypot(north, east) / step


def follow(msl, *, grid=BOX, guess=(14.3, 136.2), **options) -> Track:
    return track(msl, grid, time=hours(len(msl)), first_guess=guess, **options)


@pytest.mark.parametrize("shape", [bell, holland])
@pytest.mark.parametrize("noise", [0.0, 40.0])
def test_a_known_track_is_found_within_a_tenth_of_a_cell(shape, noise):
    msl = fields(shape(BOX, *p) for p in zip(LATITUDE, LONGITUDE, strict=True))
    msl += noise * np.random.default_rng(0).normal(size=msl.shape)
    found = follow(msl)
    assert len(found) == 60 and found.ended == "end of the fields"
    assert errors_in_cells(found, LATITUDE, LONGITUDE).max() < 0.1
    np.testing.assert_array_equal(found.time, hours(60))


@pytest.mark.parametrize("width_km", [80.0, 120.0, 250.0])
def test_without_noise_the_size_of_the_storm_does_not_matter(width_km):
    msl = fields(bell(BOX, *p, width_km=width_km) for p in zip(LATITUDE, LONGITUDE, strict=True))
    assert errors_in_cells(follow(msl), LATITUDE, LONGITUDE).max() < 0.02


def test_a_storm_on_a_slope_of_pressure_stays_found():
    slope = 100.0 * (np.asarray(BOX.latitude)[:, None] - 20) / 5  # [Pa], 1 hPa in 5 degrees
    msl = fields(bell(BOX, *p) for p in zip(LATITUDE, LONGITUDE, strict=True)) + slope
    assert errors_in_cells(follow(msl), LATITUDE, LONGITUDE).max() < 0.1


def test_pressure_is_that_between_the_grid_points():
    msl = fields(bell(BOX, *p) for p in zip(LATITUDE, LONGITUDE, strict=True))
    np.testing.assert_allclose(follow(msl).pressure, 97_000.0, atol=10)


def test_the_strongest_wind_is_that_near_the_centre():
    falls = np.stack([bell(BOX, *p) for p in zip(LATITUDE, LONGITUDE, strict=True)])
    wind = falls / 100  # at most 40 m s-1
    wind[:, 0, 0] = 99.0  # a gale in the far corner
    found = follow(101_000 - falls, wind_speed=wind)
    assert (found.wind > 39).all() and (found.wind <= 40).all()
    assert np.isnan(follow(101_000 - falls).wind).all()


@pytest.mark.parametrize(
    ("north", "east"), [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.3), (0.0, -0.3), (0.25, -0.3)]
)
def test_a_storm_that_leaves_the_box_ends_at_its_edge(north, east):
    latitude = 28.0 + north * np.arange(72)
    longitude = 126.0 + east * np.arange(72)
    falls = (bell(BOX, *p) for p in zip(latitude, longitude, strict=True))
    found = follow(fields(falls), guess=(28.0, 126.0))
    assert found.ended == "left the box"
    assert errors_in_cells(found, latitude, longitude).max() < 0.1
    # It ends within two cells of the edge, neither before nor after.
    inside = ((latitude > 12.25) & (latitude < 44) & (longitude > 110) & (longitude < 141.75)).sum()
    assert inside - 2 <= len(found) <= inside


def test_a_storm_that_fills_up_ends_where_it_is_shallow():
    depth = np.linspace(4000, 0, 60)
    msl = fields(
        bell(BOX, a, o, depth=d) for a, o, d in zip(LATITUDE, LONGITUDE, depth, strict=True)
    )
    found = follow(msl)
    assert found.ended == "no minimum deep enough near the guess"
    # Depth below the ring at 300 km is 0.96 of the whole; 3 x 3 smoothing takes a little more.
    assert depth[len(found)] < 220 and depth[len(found) - 1] > 200


def test_two_storms_at_once_are_told_apart():
    # They come as near as 400 km, the other one is deeper.
    other_latitude, other_longitude = LATITUDE + 3.6, LONGITUDE + 1.0 - 0.02 * (HOUR - 30)
    msl = fields(
        bell(BOX, a, o) + bell(BOX, b, p, depth=6000.0)
        for a, o, b, p in zip(LATITUDE, LONGITUDE, other_latitude, other_longitude, strict=True)
    )
    first = follow(msl, guess=(14.3, 136.2))
    second = follow(msl, guess=(17.5, 137.5))
    assert len(first) == len(second) == 60
    # The neighbour's slope moves the minimum itself, by less than half a cell.
    assert errors_in_cells(first, LATITUDE, LONGITUDE).max() < 0.5
    assert errors_in_cells(second, other_latitude, other_longitude).max() < 0.5
    far = fields(
        bell(BOX, a, o) + bell(BOX, a + 9, o - 6, depth=6000.0)
        for a, o in zip(LATITUDE, LONGITUDE, strict=True)
    )
    for guess, north, east in (((14.3, 136.2), 0, 0), ((23.3, 130.2), 9, -6)):
        found = follow(far, guess=guess)
        assert len(found) == 60
        assert errors_in_cells(found, LATITUDE + north, LONGITUDE + east).max() < 0.1


def test_a_track_never_jumps_to_another_storm_when_its_own_leaves():
    latitude, longitude = np.full(40, 28.0), 134.0 + 0.3 * np.arange(40)
    msl = fields(
        bell(BOX, a, o) + bell(BOX, 28.0, 138.0, depth=1500.0, width_km=60.0) * (number > 30)
        for number, (a, o) in enumerate(zip(latitude, longitude, strict=True))
    )
    found = follow(msl, guess=(28.0, 134.0))
    assert found.ended == "left the box"
    assert len(found) <= 26


@pytest.mark.parametrize("start", [176.0, 356.0])
@pytest.mark.parametrize("direction", [1, -1])
def test_antimeridian_and_greenwich_are_crossed(start, direction):
    latitude = 15.0 + 0.1 * np.arange(40)
    longitude = start + (8 if direction < 0 else 0) + 0.2 * direction * np.arange(40)
    msl = fields(
        bell(GLOBE, a, o, width_km=400.0) for a, o in zip(latitude, longitude, strict=True)
    )
    # The guess as a best track may give it, counted from -180.
    found = follow(msl, grid=GLOBE, guess=(15.0, float((longitude[0] + 180) % 360 - 180)))
    assert len(found) == 40
    assert errors_in_cells(found, latitude, longitude, step=1.0).max() < 0.1
    assert (found.longitude >= 0).all() and (found.longitude < 360).all()


def test_a_box_across_the_antimeridian_is_an_ordinary_box():
    box = Grid(tuple(30 - 0.25 * np.arange(80)), tuple(170 + 0.25 * np.arange(80)))
    longitude = 175.0 + 0.25 * np.arange(40)
    found = follow(fields(bell(box, 20.0, o) for o in longitude), grid=box, guess=(20.0, -185.0))
    assert errors_in_cells(found, np.full(40, 20.0), longitude).max() < 0.1
    assert len(found) == 40


def test_a_guess_away_from_any_storm_gives_an_empty_track():
    msl = fields([bell(BOX, 20.0, 130.0)])
    for guess, reason in (
        ((35.0, 115.0), "no minimum deep enough near the guess"),
        ((20.0, 160.0), "left the box"),
        ((-20.0, 130.0), "left the box"),
    ):
        found = follow(msl, guess=guess)
        assert len(found) == 0 and found.ended == reason


def test_a_flat_field_has_no_storm():
    found = follow(np.full((2, 128, 128), 101_000.0), guess=(28.0, 126.0))
    assert len(found) == 0 and found.ended.startswith("no minimum")


def test_steps_of_any_length_are_extrapolated():
    every = np.array([0, 1, 4, 10, 16, 22])
    msl = fields(bell(BOX, LATITUDE[i], LONGITUDE[i]) for i in every)
    found = track(msl, BOX, time=hours(60)[every], first_guess=(14.0, 136.0))
    assert errors_in_cells(found, LATITUDE[every], LONGITUDE[every]).max() < 0.1


def test_nothing_of_the_fields_is_changed():
    msl = fields([bell(BOX, 20.0, 130.0)]).astype(np.float32)
    before = msl.copy()
    assert follow(msl, guess=(20.0, 130.0)).pressure.dtype == np.float64
    np.testing.assert_array_equal(msl, before)


def test_wrong_fields_are_refused():
    msl = fields([bell(BOX, 20.0, 130.0)] * 2)
    with pytest.raises(ValueError, match=r"msl has shape \(2, 128, 127\); expected \(2, 128, 128"):
        follow(msl[..., :-1])
    with pytest.raises(ValueError, match="wind_speed has shape"):
        follow(msl, wind_speed=msl[:1])
    with pytest.raises(ValueError, match="msl holds values that are not finite"):
        follow(np.where(msl > 100_999, np.nan, msl))
    with pytest.raises(ValueError, match="times are not strictly increasing"):
        track(msl, BOX, time=hours(2)[::-1], first_guess=(20.0, 130.0))
    with pytest.raises(ValueError, match="times are int64; expected datetime64"):
        track(msl, BOX, time=np.arange(2), first_guess=(20.0, 130.0))
    small = Grid(tuple(20.5 - 0.25 * np.arange(5)), tuple(129.5 + 0.25 * np.arange(5)))
    with pytest.raises(ValueError, match="no point 300 km from 20 N, 130 E; expected a larger box"):
        follow(fields([bell(small, 20.0, 130.0)]), grid=small, guess=(20.0, 130.0))


def test_settings_are_checked():
    with pytest.raises(ValueError, match="least_depth is 0.0; expected a positive number"):
        TrackerSettings(least_depth=0.0)
    with pytest.raises(ValueError, match="search_radius_km is nan"):
        TrackerSettings(search_radius_km=float("nan"))


def test_a_track_is_checked():
    one = np.array([10.0])
    with pytest.raises(ValueError, match=r"lengths \[2, 1, 1, 1, 1\]"):
        Track(hours(2), one, one, one, one, "")
    with pytest.raises(ValueError, match="not strictly increasing"):
        Track(hours(2)[[0, 0]], *[np.zeros(2)] * 4, "")
    for latitude, longitude in ((91.0, 0.0), (0.0, -1.0), (0.0, 360.0)):
        with pytest.raises(ValueError, match="positions are out of range"):
            Track(hours(1), one * 0 + latitude, one * 0 + longitude, one, one, "")


def test_a_track_can_be_cut_to_times():
    values = np.arange(4.0)
    cut = Track(hours(4), values, values, values, values, "why").at(hours(9)[[1, 3, 8]])
    assert cut.latitude.tolist() == [1.0, 3.0] and cut.ended == "why" and len(cut) == 2
