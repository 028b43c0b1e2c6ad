import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.data.grid import Grid, cell_edges, equiangular
from pipelines.errors import DataError
from pipelines.fields.regrid_weights import METHODS, bilinear, conservative

ONE_DEGREE = Grid(tuple(90.0 - np.arange(181.0)), tuple(np.arange(360.0)))
BAND = Grid((22.5, 7.5, -7.5, -22.5), (0.0, 90.0, 180.0, 270.0))


def gaussian_grid() -> Grid:
    roots, _ = np.polynomial.legendre.leggauss(48)
    latitude = np.rad2deg(np.arcsin(roots))[::-1]
    return Grid(tuple(latitude), tuple(3.75 * np.arange(96)))


def noise(grid: Grid, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(280, 20, grid.shape)


def test_overlaps_by_hand_on_a_band():
    # Rows 30..0 and 0..-30 of the target, each over two source rows of 15 degrees.
    weights = conservative(BAND, Grid((15.0, -15.0), (45.0, 225.0)))
    inner, outer = np.sin(np.deg2rad(15)), np.sin(np.deg2rad(30)) - np.sin(np.deg2rad(15))
    np.testing.assert_allclose(
        weights.latitude.toarray()[0], np.array([outer, inner, 0, 0]) / 0.5, atol=1e-15
    )
    # Columns -45..135 and 135..315: half of the cells at their ends, across longitude 0.
    np.testing.assert_allclose(
        weights.longitude.toarray(), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], atol=1e-15
    )


def test_interpolation_by_hand_on_a_band():
    weights = bilinear(BAND, Grid((7.5, -4.5), (30.0, 315.0)))
    np.testing.assert_allclose(weights.latitude.toarray(), [[0, 1, 0, 0], [0, 0.2, 0.8, 0]])
    # 315 lies halfway between 270 and 360, which is column 0 again.
    np.testing.assert_allclose(
        weights.longitude.toarray(), [[2 / 3, 1 / 3, 0, 0], [0.5, 0, 0, 0.5]], atol=1e-15
    )


def test_overlaps_wrap_at_zero():
    weights = conservative(ONE_DEGREE, equiangular(5.0)).longitude.toarray()
    assert weights[0, [358, 359, 0, 1, 2]] == pytest.approx([0.2] * 5)


@pytest.mark.parametrize("source", [ONE_DEGREE, equiangular(1.40625), gaussian_grid()])
@pytest.mark.parametrize("method", METHODS)
def test_rows_of_weights_sum_to_one(method: str, source: Grid):
    weights = METHODS[method](source, equiangular(5.625))
    for matrix in (weights.latitude, weights.longitude):
        np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-14)
        assert matrix.data.min() > 0


@pytest.mark.parametrize("step", [5.625, 2.8125])
@pytest.mark.parametrize("source", [ONE_DEGREE, equiangular(1.40625), gaussian_grid()])
def test_area_weighted_mean_is_kept(source: Grid, step: float):
    target = equiangular(max(step, 5.625 if source == gaussian_grid() else step))
    field = noise(source)
    weights = conservative(source, target)
    # A cell's area from its own edges: the rows of a Gaussian grid reach the poles.
    edges = np.clip(cell_edges(np.array(source.latitude)), -90, 90)
    edges[[0, -1]] = 90, -90
    area = -np.diff(np.sin(np.deg2rad(edges)))
    before = np.average(field.mean(axis=1), weights=area)
    after = np.average(
        weights.apply(field, min_valid=1.0).mean(axis=1), weights=target.area_weights()
    )
    assert after == pytest.approx(before, rel=1e-12)


@settings(max_examples=50, deadline=None)  # the first call is slow
@given(
    st.floats(-1e30, 1e30),
    st.sampled_from([2.5, 5.0, 5.625, 10.0, 30.0]),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(sorted(METHODS)),
)
def test_a_constant_stays_exactly_itself(value: float, step: float, dtype: type, method: str):
    field = np.full(ONE_DEGREE.shape, value, dtype=dtype)
    weights = METHODS[method](ONE_DEGREE, equiangular(step))
    np.testing.assert_array_equal(weights.apply(field, min_valid=1.0), np.float64(dtype(value)))
    field[60:90, 100:200] = np.nan
    holed = weights.apply(field, min_valid=0.5)
    np.testing.assert_array_equal(holed[np.isfinite(holed)], np.float64(dtype(value)))
    assert np.isnan(holed).any()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(METHODS)),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 0.9),
    st.floats(0.05, 1.0),
)
def test_holes_are_averaged_as_the_plain_matrices_say(
    method: str, seed: int, share_missing: float, threshold: float
):
    source, target = equiangular(5.625), equiangular(15.0)
    rng = np.random.default_rng(seed)
    field = noise(source, seed)
    field[rng.random(source.shape) < share_missing] = np.nan
    weights = METHODS[method](source, target)
    plain = np.kron(weights.latitude.toarray(), weights.longitude.toarray())
    valid = np.isfinite(field).ravel()
    part = plain @ valid
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = plain @ np.nan_to_num(field.ravel()) / part
    expected[part < threshold - 1e-6] = np.nan
    result = weights.apply(field, min_valid=threshold)
    np.testing.assert_allclose(result.ravel(), expected, rtol=1e-12)


def test_infinity_counts_as_missing_and_an_empty_field_stays_empty():
    weights = conservative(ONE_DEGREE, equiangular(30.0))
    field = noise(ONE_DEGREE)
    field[90, 180] = np.inf
    assert np.isnan(weights.apply(field, min_valid=1.0)).sum() == 2
    assert np.isnan(weights.apply(field * np.nan, min_valid=0.1)).all()


def test_a_missing_neighbour_without_weight_does_not_spread():
    field = noise(ONE_DEGREE)
    field[80, 11] = np.nan  # latitude 10, longitude 11
    weights = bilinear(ONE_DEGREE, Grid((11.0, 10.0), (10.0, 12.0)))
    np.testing.assert_array_equal(
        weights.apply(field, min_valid=1.0), field[np.ix_([79, 80], [10, 12])]
    )


def test_gaussian_rows_reach_the_poles():
    gaussian = gaussian_grid()
    edge = cell_edges(np.array(gaussian.latitude))[0]
    assert 90 - edge > 0.9  # mirrored, the edge would miss the pole
    weights = conservative(gaussian, equiangular(5.625)).latitude
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_beyond_a_global_sources_last_row_its_values_go_on():
    source = equiangular(5.625)
    field = noise(source)
    target = Grid((90.0, 89.0, 87.1875, -90.0), source.longitude)
    result = bilinear(source, target).apply(field, min_valid=1.0)
    np.testing.assert_allclose(result, field[[0, 0, 0, -1]], rtol=1e-15)


def test_interpolation_may_go_to_a_finer_grid():
    x, y = np.meshgrid(np.arange(6.0), np.arange(4.0, 0.0, -1.0))
    source = Grid(tuple(y[:, 0]), tuple(x[0]))
    target = Grid((3.5, 3.25, 2.0), (0.0, 1.1, 4.9))
    result = bilinear(source, target).apply(3 * x + 2 * y, min_valid=1.0)
    wanted_y, wanted_x = np.meshgrid(target.latitude, target.longitude, indexing="ij")
    np.testing.assert_allclose(result, 3 * wanted_x + 2 * wanted_y, rtol=1e-14)


@pytest.mark.parametrize(
    ("method", "target", "message"),
    [
        (conservative, Grid((1.5, 1.0), (10.0, 12.0)), "2 degrees apart in latitude; expected at"),
        (conservative, Grid((8.0, 4.0), (10.0, 14.0)), "cells reach from latitude .* cover"),
        (conservative, Grid((4.0, 2.0), (10.0, 18.0)), "cells reach from longitude .* cover"),
        (bilinear, Grid((5.0, 2.0), (10.0, 12.0)), "points reach from latitude 0 to 4; expected"),
        (bilinear, Grid((4.0, 2.0), (10.0, 15.0)), "points reach from longitude 10 to 14; exp"),
    ],
)
def test_a_grid_the_source_does_not_hold_is_refused(method, target: Grid, message: str):
    source = Grid((4.0, 2.0, 0.0), (10.0, 12.0, 14.0))
    with pytest.raises(DataError, match=message):
        method(source, target)
