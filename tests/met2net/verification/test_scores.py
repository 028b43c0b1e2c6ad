import numpy as np
import pytest
import torch

from met2net.baseline_forecasts import baseline_forecasts
from met2net.grid import Grid
from met2net.normalization import Normalizer
from met2net.verification.climatology import Climatology
from met2net.verification.scores import score_forecasts
from met2net.windows import WindowDataset, WindowSpec, find_windows

GRID = Grid((60.0, 30.0), (0.0, 10.0, 20.0))
NORMALIZER = Normalizer(("t2m", "msl"), (280.0, 101_000.0), (10.0, 800.0))
WINDOW = WindowSpec((-1, 0), (1, 2, 6))
NUM_HOURS = 40


def _climatology(seed=1):
    values = np.random.default_rng(seed).normal(size=(1, 24, 2, 2, 3))
    return Climatology(values.astype(np.float32))


def _windows(fields):
    hours = np.arange(1000, 1000 + len(fields))
    windows = find_windows(hours, spec=WINDOW, in_split=np.ones(len(fields), bool))
    return WindowDataset(fields, hours=hours, windows=windows, spec=WINDOW)


def _fields(seed=0):
    return np.random.default_rng(seed).normal(size=(NUM_HOURS, 2, 2, 3)).astype(np.float32)


def _score(forecasts, fields, *, batch_size=64):
    return score_forecasts(
        forecasts, _windows(fields), window=WINDOW, climatology=_climatology(), grid=GRID,
        normalizer=NORMALIZER, units=["K", "Pa"], batch_size=batch_size,
    )  # fmt: skip


def _zero(inputs, init_time):
    return torch.zeros(len(inputs), 3, 2, 2, 3)


def test_zeros_against_ones_are_off_by_one_standard_deviation():
    scores = _score({"zero": _zero}, np.ones((NUM_HOURS, 2, 2, 3), np.float32))
    rmse = scores.score.sel(model="zero", metric="rmse")
    for channel, std in (("t2m", 10.0), ("msl", 800.0)):
        np.testing.assert_allclose(rmse.sel(channel=channel), std)
        assert scores.pooled.sel(metric="mse", channel=channel, weighting="area") == std**2
        assert scores.pooled.sel(metric="bias", channel=channel, weighting="plain") == -std
    assert scores.normalized_rmse.item() == 1.0


def test_layout_is_the_contract():
    scores = _score(baseline_forecasts(_climatology(), WINDOW), _fields())
    assert scores.score.dims == ("model", "metric", "weighting", "channel", "lead_time")
    assert scores.pooled.dims == ("model", "metric", "weighting", "channel")
    assert scores.metric.values.tolist() == ["mse", "mae", "rmse", "bias", "acc", "r2"]
    assert scores.weighting.values.tolist() == ["area", "plain"]
    assert scores.lead_time.values.tolist() == [1, 2, 6]
    assert scores.lead_time.attrs["units"] == "hours"
    assert scores["units"].values.tolist() == ["K", "Pa"]
    assert scores["count"].values.tolist() == [NUM_HOURS - 7] * 3


def test_persistence_by_explicit_formula():
    fields = _fields()
    scores = _score(baseline_forecasts(_climatology(), WINDOW), fields)
    last = np.arange(1, NUM_HOURS - 6)
    error = (fields[last].astype(float) - fields[last + 6])[:, 1] * 800.0
    found = scores.score.sel(model="persistence", channel="msl", lead_time=6)
    assert found.sel(metric="mse", weighting="plain").item() == pytest.approx((error**2).mean())
    weighted = error**2 * GRID.area_weights()[:, None]
    assert found.sel(metric="mse", weighting="area").item() == pytest.approx(weighted.mean())


def test_pooling_takes_squared_errors_before_the_root():
    scores = _score(baseline_forecasts(_climatology(), WINDOW), _fields())
    by_lead = scores.score.sel(model="persistence", metric="mse")
    pooled = scores.pooled.sel(model="persistence", metric="rmse")
    np.testing.assert_allclose(pooled, np.sqrt(by_lead.mean("lead_time")))
    normalized = (pooled.sel(weighting="plain") / np.array([10.0, 800.0])).mean()
    assert scores.normalized_rmse.sel(model="persistence").item() == pytest.approx(
        normalized.item()
    )


def test_the_climatology_has_no_anomaly_correlation():
    scores = _score(baseline_forecasts(_climatology(), WINDOW), _fields())
    acc = scores.score.sel(metric="acc")
    assert np.isnan(acc.sel(model="climatology")).all()
    assert np.isfinite(acc.sel(model="anomaly_persistence")).all()


def test_batch_size_does_not_change_scores():
    forecasts = baseline_forecasts(_climatology(), WINDOW)
    one, all_at_once = (_score(forecasts, _fields(), batch_size=n) for n in (1, 64))
    for name in ("score", "pooled", "normalized_rmse"):
        # Sums in another order; R2 subtracts two of them.
        np.testing.assert_allclose(one[name], all_at_once[name], rtol=1e-10, atol=1e-12)


def test_no_gradient_is_kept():
    parameter = torch.nn.Parameter(torch.zeros(()))

    def forecast(inputs, init_time):
        assert not torch.is_grad_enabled()
        return _zero(inputs, init_time) + parameter

    _score({"network": forecast}, _fields())


def test_wrong_forecasts_are_refused_by_name():
    with pytest.raises(ValueError, match=r"short forecasts shape \(33, 2, .*expected \(33, 3, "):
        _score({"short": lambda inputs, _: torch.zeros(len(inputs), 2, 2, 2, 3)}, _fields())
    with pytest.raises(ValueError, match="cannot score broken: forecast has .* not finite"):
        _score({"broken": lambda inputs, t: _zero(inputs, t) * torch.nan}, _fields())
    with pytest.raises(ValueError, match="no windows"):
        _score({"zero": _zero}, _fields()[:7])
