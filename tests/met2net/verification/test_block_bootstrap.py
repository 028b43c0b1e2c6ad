import numpy as np
import pytest
from scipy import stats

from met2net.verification.block_bootstrap import (
    BlockBootstrap,
    _student_quantile,
    interval,
    p_value,
    resampled_sums,
)

YEAR = 365


def _persistent(rng, *, days, series, correlation):
    """Give independent series of variance 1 whose days resemble the days before."""
    x = rng.normal(size=(days, series))
    for day in range(1, days):
        x[day] = correlation * x[day - 1] + (1 - correlation**2) ** 0.5 * x[day]
    return x


def _coverage(bootstrap, *, correlation, series=1500):
    """How often intervals of RMSE and bias hold the truth, 1 and 0."""
    error = _persistent(np.random.default_rng(7), days=YEAR, series=series, correlation=correlation)
    counts = bootstrap.draw(YEAR)
    covered = []
    for resampled, truth in (
        (np.sqrt(counts @ error**2 / YEAR), 1.0),
        (counts @ error / YEAR, 0.0),
    ):
        low, high = interval(
            resampled,
            num_blocks=bootstrap.num_blocks(YEAR),
            confidence=bootstrap.confidence,
        )
        covered.append(((low <= truth) & (truth <= high)).mean())
    return covered


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_cover_the_truth_at_the_stated_rate(correlation, confidence):
    covered = _coverage(BlockBootstrap(confidence=confidence), correlation=correlation)
    # 1500 trials: a standard error of 0.006 to 0.01; blocks of 10 days miss a little of the
    # longest persistence.
    np.testing.assert_allclose(covered, confidence, atol=0.035)


def test_without_blocks_intervals_of_persistent_errors_are_too_narrow():
    covered = _coverage(BlockBootstrap(block_days=1), correlation=0.5)
    assert covered[1] < 0.8  # bias: the standard error is too small by sqrt(3)


def test_the_paired_test_refuses_at_its_level_and_finds_differences():
    rng = np.random.default_rng(3)
    bootstrap = BlockBootstrap(num_resamples=500)
    difference = _persistent(rng, days=YEAR, series=1000, correlation=0.3)
    counts = bootstrap.draw(YEAR)
    p_values = np.array([p_value(column) for column in (counts @ difference).T])
    assert 0.03 < (p_values < 0.05).mean() < 0.09
    shifted = counts @ (difference + 0.4)
    assert np.mean([p_value(column) < 0.05 for column in shifted.T]) > 0.95


def test_pairing_sees_what_separate_intervals_do_not():
    rng = np.random.default_rng(0)
    weather = _persistent(rng, days=YEAR, series=1, correlation=0.5)[:, 0]
    first, second = 5 + weather, 5.1 + weather + 0.05 * rng.normal(size=YEAR)
    counts = BlockBootstrap().draw(YEAR)
    first, second = counts @ first / YEAR, counts @ second / YEAR
    ends = [interval(x, num_blocks=YEAR / 10, confidence=0.95) for x in (first, second)]
    assert ends[0][1] > ends[1][0]  # they overlap
    assert p_value(first - second) < 0.01


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
    counts = BlockBootstrap(block_days=3).draw(12)
    whole = resampled_sums([(days, sums)], counts)
    parts = [(days[i : i + 7], sums[i : i + 7]) for i in range(0, 60, 7)]
    np.testing.assert_allclose(resampled_sums(parts, counts), whole, rtol=1e-12, atol=1e-12)
    by_hand = sum(counts[0, day] * row for day, row in zip(days, sums, strict=True))
    np.testing.assert_allclose(whole[0], by_hand, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("degrees", [4.0, 10.0, 35.5, 1000.0])
def test_students_quantiles_are_scipy_s(degrees):
    for probability in (0.9, 0.975, 0.995):
        expected = stats.t.ppf(probability, degrees)
        assert _student_quantile(probability, degrees=degrees) == pytest.approx(expected, rel=2e-2)


def test_p_values_by_hand():
    assert p_value(np.array([-1.0, -2.0, -3.0])) == 0.5  # 2 * (0 + 1) / 4
    assert p_value(np.array([-1.0, 1.0, -2.0])) == 1.0
    assert p_value(np.zeros(100)) == 1.0
    assert p_value(np.ones(999)) == 0.002


def test_wrong_settings_are_refused():
    for name, value in (("block_days", 0), ("num_resamples", 99), ("confidence", 1.0)):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            BlockBootstrap(**{name: value})
    with pytest.raises(ValueError, match="no sums to resample"):
        resampled_sums([], BlockBootstrap().draw(5))
    with pytest.raises(ValueError, match="1 blocks long; expected more than 1"):
        interval(np.zeros(100), num_blocks=1.0, confidence=0.9)
    assert not BlockBootstrap().is_enough(49) and BlockBootstrap().is_enough(50)
