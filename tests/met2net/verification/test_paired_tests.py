import numpy as np
import pytest
import xarray as xr
from scores.stats.statistical_tests import diebold_mariano as oracle

from met2net.verification.block_bootstrap import BlockBootstrap
from met2net.verification.paired_tests import (
    diebold_mariano,
    error_margins,
    loss_tests,
    losses_of,
    paired_test,
)
from met2net.verification.statistics import PLAIN, STATISTICS

HOURS = np.arange(240_000, 240_000 + 6 * 200, 6)


def test_a_loss_is_the_mean_over_channels_of_the_plain_squared_error():
    sums = np.zeros((2, len(STATISTICS), 2, 2))
    sums[:, STATISTICS.index("weight")] = 10
    sums[0, STATISTICS.index("squared_error"), PLAIN] = [20, 40]
    np.testing.assert_array_equal(losses_of(sums, scale=np.ones(2)), [3.0, 0.0])
    # Divided by half the standard deviation and by all of it: (2 / 4 + 4) / 2.
    np.testing.assert_array_equal(losses_of(sums, scale=np.array([0.5, 1.0])), [2.25, 0.0])


def test_margins_are_those_of_the_errors_and_their_resamples():
    bootstrap = BlockBootstrap(block_days=2, num_resamples=200)
    weights = bootstrap.weights(40)
    days = np.random.default_rng(0).chisquare(5, size=(2, 40))
    a, b = (weights @ x / weights.sum(axis=1) for x in days)
    found = error_margins({"a": a, "b": 4 * b, "c": np.zeros_like(a)}, bootstrap=bootstrap)
    one = found.sel(model="a", other_model="b")
    assert one["margin"].item() == pytest.approx(1 - a[0] / b[0] / 4)
    assert one["margin_low"] < one["margin"] < one["margin_high"] < 1
    # Turned round, the ratio of errors is the inverse, and so are its ends.
    other = found.sel(model="b", other_model="a")
    for end, opposite in (("low", "high"), ("high", "low")):
        expected = 1 / (1 - one[f"margin_{opposite}"].item())
        assert 1 - other[f"margin_{end}"].item() == pytest.approx(expected)
    assert np.isnan(found["margin"].sel(model="a", other_model=["a", "c"])).all()
    perfect = found.sel(model="c", other_model="a")
    assert perfect["margin"] == 1 and np.isnan(perfect["margin_low"])


def test_every_pair_is_tested_at_every_lead_and_all_together():
    rng = np.random.default_rng(0)
    losses = {name: rng.chisquare(3, size=(2, 200)) + shift for name, shift in
              (("a", 0.0), ("b", 1.0), ("c", 0.0))}  # fmt: skip
    found = loss_tests(losses, init_time=HOURS, lead_hours=[6, 24])
    for lead, horizon in ((0, 1), (1, 4)):  # steps of six hours
        expected = diebold_mariano(losses["a"][lead], losses["b"][lead], horizon=horizon)
        one = found.sel(model="a", other_model="b").isel(lead_time=lead)
        assert one["dm_statistic"].item() == pytest.approx(expected.statistic)
        assert one["dm_p_value"].item() == pytest.approx(expected.p_value)
        other = found.sel(model="b", other_model="a").isel(lead_time=lead)
        assert other["dm_statistic"].item() == pytest.approx(-expected.statistic)
    pooled = diebold_mariano(losses["a"].mean(0), losses["b"].mean(0), horizon=4)
    place = {"model": "a", "other_model": "b"}
    assert found["pooled_dm_statistic"].sel(place).item() == pytest.approx(pooled.statistic)
    assert found["pooled_dm_p_value"].sel(place) < 1e-4
    assert found["pooled_dm_p_value"].sel(model="a", other_model="c") > 0.01


def test_equal_losses_and_short_series_have_no_test():
    losses = {"a": np.ones((1, 200)), "b": np.ones((1, 200))}
    assert np.isnan(loss_tests(losses, init_time=HOURS, lead_hours=[6])["dm_p_value"]).all()
    short = {"a": np.arange(3.0)[None], "b": np.ones((1, 3))}
    assert np.isnan(loss_tests(short, init_time=HOURS[:3], lead_hours=[24])["dm_p_value"]).all()
    alone = {"a": np.ones((1, 1)), "b": np.zeros((1, 1))}
    assert np.isnan(loss_tests(alone, init_time=HOURS[:1], lead_hours=[6])["dm_p_value"]).all()


def test_a_pair_is_tested_where_the_test_is_defined():
    rng = np.random.default_rng(2)
    first, second = rng.chisquare(3, size=(2, 50))
    expected = diebold_mariano(first, second, horizon=2)
    assert paired_test(first, second, horizon=2) == (expected.statistic, expected.p_value)
    for undefined in ((first, first, 2), (first, second, 50), (first, second, 0)):
        assert np.isnan(paired_test(*undefined[:2], horizon=undefined[2])).all()


def test_without_a_difference_the_test_rejects_as_often_as_it_says():
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(400):
        noise = rng.normal(size=(2, 203))
        # Moving sums over 4 steps: errors of forecasts with a lead of 4 steps.
        a, b = (np.convolve(x, np.ones(4), "valid") ** 2 for x in noise)
        found = loss_tests({"a": a[None], "b": b[None]}, init_time=HOURS[: len(a)], lead_hours=[24])
        rejected += float(found["dm_p_value"].isel(model=0, other_model=1).item()) < 0.05
    assert 0.02 < rejected / 400 < 0.10


@pytest.mark.parametrize("horizon", [1, 2, 6])
def test_statistic_and_p_value_are_those_of_the_scores_package(horizon):
    rng = np.random.default_rng(horizon)
    shared = rng.normal(size=200)
    first, second = (shared + rng.normal(size=200)) ** 2, (shared + 1.2 * rng.normal(size=200)) ** 2
    found = diebold_mariano(first, second, horizon=horizon)
    series = xr.DataArray(
        (first - second)[None], dims=("lead", "time"), coords={"h": ("lead", [horizon])}
    )
    theirs = oracle(series, "lead", "h", method="HLN", statistic_distribution="t")
    assert found.mean_difference == pytest.approx(theirs["mean"].item(), rel=1e-10)
    assert found.statistic == pytest.approx(theirs["dm_test_stat"].item(), rel=1e-10)
    above = theirs["confidence_gt_0"].item()
    assert found.p_value == pytest.approx(2 * min(above, 1 - above), rel=1e-8)


def test_twenty_equal_forecasts_are_rejected_as_often_as_stated():
    losses = np.random.default_rng(0).normal(size=(2, 8000, 20))
    found = [diebold_mariano(*pair, horizon=1) for pair in zip(*losses, strict=True)]
    rejected = np.mean([result.p_value < 0.05 for result in found])
    assert 0.04 <= rejected <= 0.06  # a standard error of 0.25 %
    normal = np.mean([abs(result.statistic) > 1.96 for result in found])
    assert normal > 0.06  # by the normal distribution


def test_wrong_series_are_refused():
    losses = np.arange(5.0)
    with pytest.raises(ValueError, match="found 5 and 4 losses"):
        diebold_mariano(losses, losses[:4], horizon=1)
    for horizon in (0, 5):
        with pytest.raises(ValueError, match=f"horizon is {horizon}; expected 1 to 4"):
            diebold_mariano(losses, losses, horizon=horizon)
    with pytest.raises(ValueError, match="variance of the mean difference is 0"):
        diebold_mariano(losses, losses, horizon=2)
