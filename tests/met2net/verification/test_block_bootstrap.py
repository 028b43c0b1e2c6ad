import numpy as np
import pytest
from scipy import special, stats

from met2net.verification.block_bootstrap import (
    _GRID,
    BlockBootstrap,
    Estimate,
    _correction,
    resampled_sums,
)
from met2net.verification.metrics import LOGARITHM


def test_resamples_are_as_long_as_the_sample_made_of_blocks_and_seeded():
    bootstrap = BlockBootstrap(block_days=4, num_resamples=300, seed=5)
    counts = bootstrap.draw(10)
    assert counts.shape == (300, 10) and (counts.sum(axis=1) == 10).all()
    np.testing.assert_array_equal(counts, bootstrap.draw(10))
    assert (counts != BlockBootstrap(block_days=4, num_resamples=300).draw(10)).any()
    # Every day is as likely as any other: 300 +- 17 drawn.
    np.testing.assert_allclose(counts.sum(axis=0), 300, atol=90)
    whole = BlockBootstrap(block_days=99).draw(10)
    np.testing.assert_array_equal(whole, 1)  # one block round the circle: the sample itself


def test_sums_of_resamples_do_not_depend_on_the_parts():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(12), 5)
    sums = rng.normal(size=(60, 2, 3))
    weights = BlockBootstrap(block_days=3).weights(12)
    whole = resampled_sums([(days, sums)], weights)
    parts = [(days[i : i + 7], sums[i : i + 7]) for i in range(0, 60, 7)]
    np.testing.assert_allclose(resampled_sums(parts, weights), whole, rtol=1e-12, atol=1e-12)
    by_hand = sum(weights[1, day] * row for day, row in zip(days, sums, strict=True))
    np.testing.assert_allclose(whole[1], by_hand, rtol=1e-12, atol=1e-12)


def test_weights_are_the_sample_its_resamples_and_the_sample_without_each_day():
    bootstrap = BlockBootstrap(block_days=2, num_resamples=100)
    weights = bootstrap.weights(7)
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights[1:101], bootstrap.draw(7))
    np.testing.assert_array_equal(weights[101:], 1 - np.eye(7))


def test_wrong_settings_are_refused():
    for name, value in (("block_days", 0), ("num_resamples", 99), ("confidence", 1.0)):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            BlockBootstrap(**{name: value})
    with pytest.raises(ValueError, match="no sums to resample"):
        resampled_sums([], BlockBootstrap().weights(5))
    assert not BlockBootstrap().is_enough(49) and BlockBootstrap().is_enough(50)


SERIES = 4000  # a rate of 5 % has a standard error of 0.34 %
MONTHLY = BlockBootstrap(block_days=5)
"""The rule of monthly retraining, on 60 days."""


def _persistent(*, days, correlation, series=SERIES, seed=7):
    """Give independent series of variance 1 whose days resemble the days before."""
    x = np.random.default_rng(seed).normal(size=(days, series))
    for day in range(1, days):
        x[day] = correlation * x[day - 1] + (1 - correlation**2) ** 0.5 * x[day]
    return x


def _mean(series, bootstrap):
    """Estimate the mean of every series, a column."""
    weights = bootstrap.weights(len(series))
    return Estimate.of(weights @ series / weights.sum(axis=1)[:, None], bootstrap=bootstrap)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
@pytest.mark.parametrize(
    ("bootstrap", "days"), [(MONTHLY, 60), (BlockBootstrap(), 50), (BlockBootstrap(), 365)]
)
def test_without_a_difference_p_values_fall_below_5_percent_in_4_to_6_percent_of_cases(
    bootstrap, days, correlation
):
    estimate = _mean(_persistent(days=days, correlation=correlation), bootstrap)
    rejected = (estimate.p_value() < 0.05).mean()
    assert 0.04 <= rejected <= 0.06
    low, high = estimate.interval(0.95)
    covered = ((low <= 0) & (0 <= high)).mean()
    assert 0.94 <= covered <= 0.96
    assert covered == pytest.approx(1 - rejected, abs=1e-12)  # one distribution for both


def test_the_interval_at_confidence_1_less_p_ends_at_zero():
    estimate = _mean(_persistent(days=60, correlation=0.3, series=3), MONTHLY)
    for place, p_value in enumerate(estimate.p_value()):
        ends = np.array(estimate.interval(1 - p_value))[:, place]
        assert np.abs(ends).min() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_of_rmse_hold_the_truth_at_the_stated_rate(confidence):
    bootstrap = BlockBootstrap()
    weights = bootstrap.weights(365)
    squares = _persistent(days=365, correlation=0.3, series=1500) ** 2
    rows = np.sqrt(weights @ squares / weights.sum(axis=1)[:, None])
    low, high = Estimate.of(rows, bootstrap=bootstrap, scale=LOGARITHM).interval(confidence)
    assert (low > 0).all()
    covered = ((low <= 1) & (1 <= high)).mean()
    # One number a day, whose square is as skewed as any: 1.4 % are missed beyond the stated.
    assert covered == pytest.approx(confidence, abs=0.025)


@pytest.mark.parametrize(
    ("bootstrap", "days", "power"), [(MONTHLY, 60, 0.79), (BlockBootstrap(), 50, 0.70)]
)
def test_a_difference_of_three_standard_errors_is_found_as_often_as_the_docs_say(
    bootstrap, days, power
):
    series = _persistent(days=days, correlation=0.0)
    shifted = series + 3 / days**0.5
    assert (_mean(shifted, bootstrap).p_value() < 0.05).mean() == pytest.approx(power, abs=0.03)


def test_the_variance_of_independent_days_is_that_of_a_t_test():
    series = _persistent(days=60, correlation=0.0, series=200, seed=1)
    found = _mean(series, BlockBootstrap(block_days=1, num_resamples=4000))
    expected = stats.ttest_1samp(series, 0.0)
    np.testing.assert_allclose(found.value, series.mean(axis=0), atol=1e-15)
    statistic = found.value / found.standard_error
    # A correlation that is there by chance makes the error larger, by sqrt((1 + r) / (1 - r)).
    assert np.median(statistic / expected.statistic) == pytest.approx(1, abs=0.06)


def test_a_correction_is_what_the_variance_of_circular_blocks_lacks():
    # By brute force: the covariance of 12 days, and the mean of every circular block of 3.
    for correlation in (-0.3, 0.0, 0.5):
        steps = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
        covariance = correlation**steps  # 0^0 is 1
        true = covariance.mean()
        blocks = np.array([np.bincount((s + np.arange(3)) % 12, minlength=12) for s in range(12)])
        deviations = blocks / 3 - 1 / 12
        drawn = np.mean([d @ covariance @ d for d in deviations]) / 4  # 4 blocks a resample
        factor = np.interp(correlation, _GRID, _correction(12, 3)[0])
        assert factor == pytest.approx(true / drawn, rel=1e-10)


def test_pairing_sees_what_separate_intervals_do_not():
    weather = _persistent(days=365, correlation=0.5, series=1)[:, 0]
    noise = np.random.default_rng(0).normal(size=365)
    first, second = 5 + weather, 5.1 + weather + 0.05 * noise
    bootstrap = BlockBootstrap()
    ends = [_mean(x[:, None], bootstrap).interval(0.95) for x in (first, second)]
    assert ends[0][1] > ends[1][0]  # they overlap
    assert _mean((first - second)[:, None], bootstrap).p_value() < 1e-6


def test_ends_are_a_quantile_of_students_t_away_with_nearly_the_degrees_of_circular_blocks():
    found = _mean(_persistent(days=60, correlation=0.0, series=50), MONTHLY)
    # By brute force: a circular block's sum is a matrix; 2 (trace V)^2 / (2 trace V^2) of V.
    sums = np.array([np.bincount((s + np.arange(5)) % 60, minlength=60) for s in range(60)])
    sums = sums - sums.mean(axis=1, keepdims=True)
    variance = sums.T @ sums
    expected = np.trace(variance) ** 2 / np.trace(variance @ variance)
    # The correlation of days is estimated too, which costs some.
    assert 0.6 * expected < found.degrees.min() < np.median(found.degrees) < expected
    assert np.median(found.degrees) > 0.75 * expected
    half = special.stdtrit(found.degrees, 0.975) * found.standard_error
    np.testing.assert_allclose(found.interval(0.95)[1], found.value + half, atol=1e-12)


def test_days_that_are_not_counted_change_nothing():
    days = _persistent(days=60, correlation=0.0, series=1)
    is_counted = np.arange(90) % 3 != 2
    weights = MONTHLY.weights(90)
    with_gaps = np.zeros((90, 1))
    with_gaps[is_counted] = days
    rows = weights @ with_gaps / (weights @ is_counted[:, None])
    found = Estimate.of(rows, bootstrap=MONTHLY, is_counted=is_counted)
    assert found.value == pytest.approx(days.mean())
    assert found.degrees.item() < 1.5 * 12  # 60 days are 12 blocks of five, not 18


def test_too_few_blocks_and_no_difference_at_all_have_no_test():
    few = _mean(np.random.default_rng(0).normal(size=(24, 2)), MONTHLY)
    assert np.isnan(few.p_value()).all() and np.isnan(few.interval(0.9)).all()
    nothing = _mean(np.zeros((60, 1)), MONTHLY)
    assert np.isnan(nothing.p_value()).all()
    always = _mean(np.ones((60, 1)), MONTHLY)
    assert always.p_value() == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="found 1001 rows; expected more than 1001"):
        Estimate.of(np.zeros(1001), bootstrap=MONTHLY)
