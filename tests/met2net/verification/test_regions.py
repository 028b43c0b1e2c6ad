import numpy as np
import pytest

from met2net.data.grid import Grid, equiangular
from met2net.verification.regions import Region, box, everywhere, land_and_sea, point_weights

GRID = equiangular(30.0)  # rows 75 45 15 -15 -45 -75, columns 0 30 ... 330


def test_a_box_has_the_points_within_its_edges():
    found = box("tropics", GRID, south=-15.0, north=20.0, west=30.0, east=90.0)
    rows, columns = np.nonzero(found.mask)
    assert sorted(set(rows)) == [2, 3] and sorted(set(columns)) == [1, 2, 3]


@pytest.mark.parametrize(("west", "east"), [(-30.0, 30.0), (330.0, 30.0)])
def test_a_box_may_cross_the_prime_meridian(west, east):
    found = box("africa", GRID, south=0.0, north=20.0, west=west, east=east)
    assert np.flatnonzero(found.mask[2]).tolist() == [0, 1, 11]


@pytest.mark.parametrize(("west", "east"), [(0.0, 360.0), (-180.0, 180.0), (40.0, 40.0)])
def test_a_box_may_go_round(west, east):
    assert box("band", GRID, south=0.0, north=20.0, west=west, east=east).mask.sum() == 12


def test_land_is_where_half_of_a_cell_is_land():
    fraction = np.array([[0.0, 0.49], [0.5, 1.0]])
    land, sea = land_and_sea(fraction)
    assert (land.name, sea.name) == ("land", "sea")
    np.testing.assert_array_equal(land.mask, [[False, False], [True, True]])
    np.testing.assert_array_equal(sea.mask, ~land.mask)
    (only,) = land_and_sea(np.zeros((2, 2)))
    assert only.name == "sea"


def test_weights_have_mean_one_in_every_region_and_none_outside():
    regions = [everywhere(GRID), box("north", GRID, south=30.0, north=90.0, west=0.0, east=60.0)]
    weights = point_weights(GRID, regions)
    assert weights.shape == (2, 2, *GRID.shape)
    for region, (area, plain) in zip(regions, weights, strict=True):
        assert area[region.mask].mean() == pytest.approx(1, abs=1e-14)
        assert (area[~region.mask] == 0).all() and (plain == region.mask).all()
    # Rows 90 to 60 and 60 to 30 degrees: areas 1 - sin 60 and sin 60 - sin 30.
    high, low = 1 - 0.75**0.5, 0.75**0.5 - 0.5
    assert weights[1, 0, 0, 0] / weights[1, 0, 1, 0] == pytest.approx(high / low)


def test_wrong_regions_are_refused():
    with pytest.raises(ValueError, match="region bay has no point"):
        box("bay", GRID, south=1.0, north=2.0, west=0.0, east=1.0)
    with pytest.raises(ValueError, match="from 20.0 to 10.0 degrees north"):
        box("bay", GRID, south=20.0, north=10.0, west=0.0, east=1.0)
    with pytest.raises(ValueError, match="edge at 400.0 degrees east"):
        box("bay", GRID, south=10.0, north=20.0, west=0.0, east=400.0)
    with pytest.raises(ValueError, match="not all within 0 to 1"):
        land_and_sea(np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match="expected every name once"):
        point_weights(GRID, [everywhere(GRID), everywhere(GRID)])
    other = Grid((1.0, 0.0), (0.0, 1.0))
    with pytest.raises(ValueError, match=r"region here has shape \(6, 12\); expected \(2, 2\)"):
        point_weights(other, [Region("here", everywhere(GRID).mask)])
