import numpy as np
import pytest
import xarray as xr
from scores.stats.statistical_tests import diebold_mariano as oracle

from met2net.verification.diebold_mariano import diebold_mariano


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
