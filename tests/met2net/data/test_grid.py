import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from met2net.data.grid import Grid, cell_edges, equiangular, unbroken_longitudes


def test_five_point_six_two_five_degrees_is_weatherbench_grid() -> None:
    grid = equiangular(5.625)
    assert grid.shape == (32, 64)
    assert grid.latitude[0] == 87.1875
    assert grid.latitude[-1] == -87.1875
    assert grid.longitude[-1] == 354.375
    assert grid.is_periodic


def test_area_weights_by_hand() -> None:
    # Edges 90, 30, -30, -90: sines 1, 0.5, -0.5, -1; differences 0.5, 1, 0.5; mean 2/3.
    weights = Grid((60.0, 0.0, -60.0), (0.0, 90.0)).area_weights()
    np.testing.assert_allclose(weights, [0.75, 1.5, 0.75])


@given(st.sampled_from([5.625, 2.8125, 10.0, 22.5, 90.0]))
def test_area_weights_have_mean_one_and_are_symmetric(step: float) -> None:
    weights = equiangular(step).area_weights()
    assert weights.mean() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(weights, weights[::-1], rtol=1e-10)


def test_a_region_is_not_periodic() -> None:
    assert not Grid((20.0, 19.0), (70.0, 71.0, 72.0)).is_periodic


def test_edges_lie_halfway() -> None:
    np.testing.assert_allclose(cell_edges(np.array([3.0, 2.0, 0.0])), [3.5, 2.5, 1.0, -1.0])
    with pytest.raises(ValueError, match="axis of one point"):
        cell_edges(np.array([1.0]))


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        ((19.0, 20.0), (0.0, 1.0), "latitude is not strictly decreasing: 19, 20"),
        ((20.0, 19.0), (1.0, 0.0), "longitude is not strictly increasing"),
        ((20.0, 19.0), (-10.0, -5.0), "longitude spans -10.0 to -5.0; expected within 0 to 360"),
        ((91.0, 19.0), (0.0, 1.0), "latitude spans"),
        ((20.0,), (0.0, 1.0), "latitude has 1 points; expected at least 2"),
    ],
)
def test_bad_axes_are_refused(
    latitude: tuple[float, ...], longitude: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Grid(latitude, longitude)


def test_reads_a_dataset_and_names_a_missing_axis() -> None:
    dataset = xr.Dataset(coords={"latitude": [20.0, 19.0], "longitude": [70.0, 71.0]})
    assert Grid.from_dataset(dataset) == Grid((20.0, 19.0), (70.0, 71.0))
    with pytest.raises(ValueError, match="no coordinate 'longitude'; found: latitude"):
        Grid.from_dataset(dataset.drop_vars("longitude"))


def test_matching_forgives_float32_axes_only() -> None:
    grid = Grid((20.1, 19.1), (70.1, 71.1))
    stored = Grid(
        tuple(np.float32(grid.latitude).tolist()), tuple(np.float32(grid.longitude).tolist())
    )
    assert grid.matches(stored)
    assert not grid.matches(Grid((20.1, 19.1), (70.2, 71.2)))
    assert not grid.matches(Grid((20.1, 19.1, 18.1), (70.1, 71.1)))


def test_uneven_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="does not divide 180"):
        equiangular(7.0)


def test_a_region_across_greenwich_counts_from_below_zero():
    region = Grid((1.0, 0.0), (-10.0, 0.0, 10.0))
    assert not region.is_periodic
    assert region.matches(Grid((1.0, 0.0), (-10.0, 0.0, 10.0)))
    for longitude in ((-200.0, 0.0, 160.0), (-10.0, 0.0, 350.0)):
        with pytest.raises(ValueError, match="longitude spans .* expected within -360 to"):
            Grid((1.0, 0.0), longitude)


@pytest.mark.parametrize(
    ("found", "order", "expected"),
    [
        ([70.0, 71.0], [0, 1], [70.0, 71.0]),
        ([-30.0, -20.0], [0, 1], [330.0, 340.0]),
        ([-10.0, 0.0, 10.0], [0, 1, 2], [-10.0, 0.0, 10.0]),
        ([0.0, 10.0, 350.0], [2, 0, 1], [-10.0, 0.0, 10.0]),  # as cut out of a globe from 0
        ([350.0, 360.0, 370.0], [0, 1, 2], [-10.0, 0.0, 10.0]),
        ([170.0, 180.0, -170.0], [0, 1, 2], [170.0, 180.0, 190.0]),
        ([-170.0, 170.0, 180.0], [1, 2, 0], [170.0, 180.0, 190.0]),  # a globe from -180
        ([-180.0, -90.0, 0.0, 90.0], [2, 3, 0, 1], [0.0, 90.0, 180.0, 270.0]),
        ([5.0], [0], [5.0]),
    ],
)
def test_longitudes_are_unbroken_whatever_they_are_counted_from(found, order, expected):
    places, longitude = unbroken_longitudes(np.array(found))
    assert places.tolist() == order
    assert longitude.tolist() == expected
