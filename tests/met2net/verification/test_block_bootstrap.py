import numpy as np
import pytest

from met2net.verification.block_bootstrap import BlockBootstrap, resampled_sums


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
