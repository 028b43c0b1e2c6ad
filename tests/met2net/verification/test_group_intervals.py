import numpy as np
import pytest

from met2net.verification.block_bootstrap import BlockBootstrap
from met2net.verification.group_intervals import DailySums, RegionalSums, grouped_rmse
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.statistics import STATISTICS, Statistics

BOOTSTRAP = BlockBootstrap(block_days=2, num_resamples=400)
STD = np.array([2.0, 3.0])
START = 240_000  # the first hour of a day


def _sums(squared):
    """Sums of init times with these squared errors (n, channel) over 10 points."""
    sums = np.zeros((len(squared), len(STATISTICS), 2, 2))
    sums[:, STATISTICS.index("weight")] = 10
    sums[:, STATISTICS.index("squared_error")] = 10 * np.asarray(squared)[:, None]
    return sums


def _rmse(daily, labels=("low", "high")):
    return grouped_rmse(
        {"m": daily}, name="group", labels=labels, channels=["t2m", "u10"], std=STD,
        bootstrap=BOOTSTRAP,
    ).sel(model="m", weighting="plain")  # fmt: skip


def test_rmse_of_a_group_is_the_root_of_its_mean_square_in_physical_units():
    daily = DailySums(num_groups=2)
    hours = START + np.arange(4)
    daily.add(hours, np.array([0, 1, 0, 1]), _sums([[1, 4], [9, 9], [3, 0], [7, 7]]))
    found = _rmse(daily)["group_rmse"]
    np.testing.assert_allclose(found.sel(group="low"), [2 * 2**0.5, 3 * 2**0.5])
    np.testing.assert_allclose(found.sel(group="high"), [2 * 8**0.5, 3 * 8**0.5])


def test_parts_in_any_order_are_the_same_and_too_few_days_have_no_interval():
    rng = np.random.default_rng(0)
    squared, group = rng.chisquare(1, size=(240, 2)), np.arange(240) % 2
    hours = START + np.arange(240)  # ten days
    whole, parts = DailySums(num_groups=2), DailySums(num_groups=2)
    whole.add(hours, group, _sums(squared))
    for rows in np.array_split(rng.permutation(240), 7):
        parts.add(hours[rows], group[rows], _sums(squared[rows]))
    np.testing.assert_allclose(parts.stacked(), whole.stacked(), rtol=1e-12)
    found = _rmse(whole)
    assert (found["group_rmse_low"] < found["group_rmse"]).all()
    assert (found["group_rmse_high"] > found["group_rmse"]).all()
    few = DailySums(num_groups=2)
    few.add(hours[:48], group[:48], _sums(squared[:48]))
    assert np.isnan(_rmse(few)["group_rmse_low"]).all()


def test_a_group_that_never_occurs_is_undefined():
    daily = DailySums(num_groups=2)
    daily.add(START + np.arange(240), np.zeros(240, int), _sums(np.ones((240, 2))))
    found = _rmse(daily)
    assert np.isnan(found["group_rmse"].sel(group="high")).all()
    assert found["group_rmse"].sel(group="low", channel="t2m") == 2.0


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(150):
        daily = DailySums(num_groups=1)
        hours = START + 24 * np.arange(60)
        squared = rng.normal(size=(60, 2)) ** 2
        daily.add(hours, np.zeros(60, int), _sums(squared))
        found = _rmse(daily, labels=["all"])
        low, high = (found[f"group_rmse_{end}"].values / STD for end in ("low", "high"))
        covered.append((low <= 1) & (high >= 1))
    assert 0.88 <= np.mean(covered) <= 0.99  # 95 % stated, 300 cases


def test_regions_are_summed_by_model():
    stacked = np.zeros((len(STATISTICS), 2, 2, 2, 3, 2))  # (statistic, n, region, weighting, l, c)
    stacked[STATISTICS.index("weight")] = 10
    stacked[STATISTICS.index("squared_error"), :, 1] = 40
    sums = RegionalSums()
    batch = ScoredBatch.__new__(ScoredBatch)
    object.__setattr__(batch, "model", "m")
    object.__setattr__(batch, "init_time", np.array([START, START + 24]))
    object.__setattr__(batch, "statistics", Statistics(*stacked))
    sums.add(batch)
    found = _rmse(sums.by_model["m"], labels=["all", "bay"])["group_rmse"]
    assert found.sel(group="all", channel="t2m") == 0
    assert found.sel(group="bay", channel="t2m").item() == pytest.approx(4.0)
