import numpy as np
import pytest
import scores.continuous as oracle
import torch
import xarray as xr
from scores.continuous.correlation import pearsonr
from sklearn.metrics import r2_score

from met2net.data.grid import Grid
from met2net.verification.metrics import (
    METRICS,
    acc,
    acc_centred,
    bias,
    in_physical_units,
    mae,
    mse,
    normalized_rmse,
    pcc,
    r2,
    rmse,
    skill,
    vector_rmse,
    wind_pairs,
)
from met2net.verification.score_stream import Observations, compute_statistics
from met2net.verification.statistics import zero_statistics

GRID = Grid((60.0, 40.0, 20.0), (0.0, 10.0, 20.0, 30.0))
AREA, PLAIN = 0, 1


def _statistics(forecast, observation, climatology):
    return compute_statistics(
        forecast, observation, climatology=climatology, latitude_weights=GRID.area_weights()
    )


def _fields(seed=0, *, samples=7):
    """Forecasts that resemble the observations, which have a mean and a climatology."""
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, 2, 2, 3, 4)
    climatology = 0.5 * torch.randn(shape, generator=generator) + 0.3
    observation = climatology + torch.randn(shape, generator=generator)
    forecast = observation + 0.7 * torch.randn(shape, generator=generator) + 0.1
    return forecast, observation, climatology


def _labelled(tensor):
    dims = ("time", "lead", "channel", "latitude", "longitude")
    return xr.DataArray(tensor.double().numpy(), dims=dims)


def test_metrics_by_hand():
    forecast = torch.tensor([1.0, 4.0, 3.0]).reshape(1, 1, 1, 3, 1)
    observation = torch.tensor([1.0, 2.0, 6.0]).reshape(1, 1, 1, 3, 1)
    climatology = torch.tensor([0.0, 3.0, 3.0]).reshape(1, 1, 1, 3, 1)
    s = compute_statistics(
        forecast, observation, climatology=climatology, latitude_weights=np.ones(3)
    )
    assert mse(s)[PLAIN].item() == pytest.approx((0 + 4 + 9) / 3)
    assert rmse(s)[PLAIN].item() == pytest.approx((13 / 3) ** 0.5)
    assert mae(s)[PLAIN].item() == pytest.approx((0 + 2 + 3) / 3)
    assert bias(s)[PLAIN].item() == pytest.approx((0 + 2 - 3) / 3)
    # f' = 1 1 0, o' = 1 -1 3; o has mean 3 and squared deviations 4 1 9.
    assert acc(s)[PLAIN].item() == pytest.approx((1 - 1 + 0) / (2 * 11) ** 0.5)
    assert r2(s)[PLAIN].item() == pytest.approx(1 - 13 / 14)


@pytest.mark.parametrize("weighting", [AREA, PLAIN])
def test_errors_equal_those_of_the_scores_package(weighting):
    forecast, observation, climatology = _fields()
    s = _statistics(forecast, observation, climatology)
    f, o = _labelled(forecast), _labelled(observation)
    row_weights = GRID.area_weights() if weighting == AREA else np.ones(3)
    weights = xr.DataArray(row_weights, dims="latitude")
    pairs = [
        (mse, oracle.mse), (mae, oracle.mae), (rmse, oracle.rmse), (bias, oracle.additive_bias),
    ]  # fmt: skip
    if weighting == PLAIN:  # its Nash-Sutcliffe efficiency takes the plain mean in both
        pairs.append((r2, oracle.nse))
    for ours, theirs in pairs:
        expected = theirs(f, o, preserve_dims=["lead", "channel"], weights=weights)
        # Float32 inputs, float64 sums in both: only the order of summation differs.
        np.testing.assert_allclose(ours(s)[weighting], expected.values, rtol=1e-10)


def test_correlations_equal_those_of_the_scores_package():
    forecast, observation, climatology = (x.double() for x in _fields())
    s = _statistics(forecast, observation, climatology)
    f, o, c = (_labelled(x) for x in (forecast, observation, climatology))
    dims = ["lead", "channel"]
    np.testing.assert_allclose(pcc(s)[PLAIN], pearsonr(f, o, preserve_dims=dims), rtol=1e-10)
    centred = pearsonr(f - c, o - c, preserve_dims=dims)
    np.testing.assert_allclose(acc_centred(s)[PLAIN], centred, rtol=1e-10)


@pytest.mark.parametrize("weighting", [AREA, PLAIN])
def test_masked_fields_score_as_the_scores_package_scores_missing_values(weighting):
    forecast, observation, climatology = (x.double() for x in _fields())
    is_valid = torch.rand(observation.shape, generator=torch.Generator().manual_seed(3)) > 0.4
    holed = torch.where(is_valid, observation, torch.nan)
    rows = np.stack([GRID.area_weights(), np.ones(3)])
    weights = np.broadcast_to(rows[None, :, :, None], (1, 2, 3, 4)).copy()
    s = Observations.of(holed, climatology=climatology, weights=weights, is_valid=is_valid)
    s = s.compare(forecast).summed().group(0)
    f, o = _labelled(forecast), _labelled(holed)
    for ours, theirs in (
        (mse, oracle.mse), (mae, oracle.mae), (rmse, oracle.rmse), (bias, oracle.additive_bias),
    ):  # fmt: skip
        expected = theirs(
            f,
            o,
            preserve_dims=["lead", "channel"],
            weights=xr.DataArray(rows[weighting], dims="latitude"),
        )
        np.testing.assert_allclose(ours(s)[weighting], expected.values, rtol=1e-10)
    if weighting == PLAIN:
        expected = pearsonr(f, o, preserve_dims=["lead", "channel"])
        np.testing.assert_allclose(pcc(s)[PLAIN], expected, rtol=1e-10)


def test_acc_is_weatherbench_x_s_on_a_worked_example():
    # WeatherBench-X's ACC is mean(w f'o') / sqrt(mean(w f'^2) mean(w o'^2)), means over all
    # that is averaged, not centred. Rows of weight 0.5 and 1.5, f' = 2 -1, o' = 1 1:
    # (0.5*2 - 1.5*1) / sqrt((0.5*4 + 1.5*1) * (0.5*1 + 1.5*1)) = -0.5 / sqrt(3.5 * 2).
    forecast, observation, climatology = (
        torch.tensor(x).reshape(1, 1, 1, 2, 1) for x in ([5.0, 3.0], [4.0, 5.0], [3.0, 4.0])
    )
    s = compute_statistics(
        forecast, observation, climatology=climatology, latitude_weights=np.array([0.5, 1.5])
    )
    assert acc(s)[AREA].item() == pytest.approx(-0.5 / 7**0.5, rel=1e-14)
    # Centred: weighted means 0.5*2*0.5 - 1.5*0.5 = -0.25 and 1; o' - 1 is 0 everywhere.
    assert np.isnan(acc_centred(s)[AREA]).all()


def test_a_constant_shift_is_bias_alone():
    _, observation, climatology = (x.double() for x in _fields())
    s = _statistics(observation + 0.75, observation, climatology)
    for metric in (bias, mae, rmse):
        np.testing.assert_allclose(metric(s), 0.75, rtol=1e-12)
    np.testing.assert_allclose(mse(s), 0.75**2, rtol=1e-12)
    for correlation in (pcc, acc_centred):
        np.testing.assert_allclose(correlation(s), 1.0, rtol=1e-12)
    variance = observation.numpy().var(axis=(0, 3, 4))
    np.testing.assert_allclose(r2(s)[PLAIN], 1 - 0.75**2 / variance, rtol=1e-10)


def test_skill_is_one_for_perfect_zero_for_the_reference_and_undefined_without_error():
    forecast, observation, climatology = _fields()
    reference = _statistics(forecast, observation, climatology)
    perfect = _statistics(observation, observation, climatology)
    halfway = _statistics((forecast.double() + observation) / 2, observation, climatology)
    np.testing.assert_array_equal(skill(perfect, reference), 1.0)
    np.testing.assert_array_equal(skill(reference, reference), 0.0)
    np.testing.assert_allclose(skill(halfway, reference), 0.75, rtol=1e-6)
    assert np.isnan(skill(reference, perfect)).all()


def test_vector_error_is_the_length_of_the_error():
    # Errors of u and v are 3 and 4 standard deviations of 2 and 1: sqrt(36 + 16).
    observation = torch.zeros(2, 1, 2, 3, 4)
    forecast = observation + torch.tensor([3.0, 4.0])[:, None, None]
    s = _statistics(forecast, observation, observation)
    found = vector_rmse(s, [(0, 1)], std=np.array([2.0, 1.0]))
    np.testing.assert_allclose(found, 52**0.5)


def test_winds_are_found_by_their_labels():
    labels = ["t2m", "v10", "u10", "u850", "v500", "v850", "u"]
    assert wind_pairs(labels) == {"wind10": (2, 1), "wind850": (3, 5)}


def test_plain_acc_equals_the_correlation_of_mirrored_anomalies():
    forecast, observation, climatology = _fields()
    s = _statistics(forecast, observation, climatology)
    f, o = _labelled(forecast - climatology), _labelled(observation - climatology)
    # With every anomaly's mirror image added, the means are 0 and centring does nothing.
    mirrored = [xr.concat([x, -x], dim="time") for x in (f, o)]
    expected = pearsonr(*mirrored, preserve_dims=["lead", "channel"])
    np.testing.assert_allclose(acc(s)[PLAIN], expected.values, rtol=1e-6)  # float32 anomalies


def test_weighted_acc_and_r2_equal_the_formulas():
    forecast, observation, climatology = _fields()
    s = _statistics(forecast, observation, climatology)
    f, o, c = (x.double().numpy()[:, 1, 0] for x in (forecast, observation, climatology))
    w = np.broadcast_to(GRID.area_weights()[:, None], f.shape)
    fa, oa = f - c, o - c
    expected_acc = (w * fa * oa).sum() / np.sqrt((w * fa**2).sum() * (w * oa**2).sum())
    mean = (w * o).sum() / w.sum()
    expected_r2 = 1 - (w * (f - o) ** 2).sum() / (w * (o - mean) ** 2).sum()
    assert acc(s)[AREA, 1, 0] == pytest.approx(expected_acc, rel=1e-12)
    assert r2(s)[AREA, 1, 0] == pytest.approx(expected_r2, rel=1e-12)


@pytest.mark.parametrize("weighting", [AREA, PLAIN])
def test_r2_is_that_of_scikit_learn_with_sample_weights(weighting):
    forecast, observation, climatology = (x.double() for x in _fields())
    # Observations that are larger at the equator: there the weighted mean is another one.
    warm = torch.linspace(0, 4, 3, dtype=torch.float64)[:, None]
    found = r2(_statistics(forecast + warm, observation + warm, climatology))
    rows = GRID.area_weights() if weighting == AREA else np.ones(3)
    for lead in range(2):
        f, o = ((x + warm).numpy()[:, lead, 1] for x in (forecast, observation))
        weights = np.broadcast_to(rows[:, None], f.shape)
        expected = r2_score(o.ravel(), f.ravel(), sample_weight=weights.ravel())
        assert found[weighting, lead, 1] == pytest.approx(expected, rel=1e-12)


def test_normalized_rmse_is_in_training_standard_deviations_whatever_fields_were_divided_by():
    forecast, observation, climatology = (x.double() for x in _fields())
    std = np.array([3.0, 800.0])  # of the training split
    error = (forecast - observation).numpy() * std[:, None, None]
    expected = np.mean([np.sqrt((error[:, :, c] ** 2).mean()) / std[c] for c in range(2)])
    for divisor in (std, np.array([20.0, 5000.0]), np.ones(2)):
        factor = torch.from_numpy(std / divisor)[:, None, None]
        s = _statistics(*(x * factor for x in (forecast, observation, climatology)))
        found = normalized_rmse(s, scale=divisor / std)
        assert found.item() == pytest.approx(expected, rel=1e-12)


def test_a_perfect_forecast_has_no_error_and_full_correlation():
    _, observation, climatology = _fields()
    s = _statistics(observation, observation, climatology)
    for metric in (mse, mae, rmse, bias):
        np.testing.assert_array_equal(metric(s), 0.0)
    np.testing.assert_array_equal(r2(s), 1.0)
    np.testing.assert_allclose(acc(s), 1.0, rtol=1e-14)


def test_r2_of_forecasting_the_mean_is_zero():
    _, observation, climatology = _fields()
    mean = observation.double().mean(dim=(0, 3, 4), keepdim=True).expand_as(observation)
    s = _statistics(mean.double(), observation.double(), climatology.double())
    np.testing.assert_allclose(r2(s)[PLAIN], 0.0, atol=1e-12)


def test_undefined_metrics_are_nan():
    forecast, observation, climatology = _fields()
    assert np.isnan(acc(_statistics(climatology, observation, climatology))).all()
    constant = torch.full_like(observation, 0.1)
    assert np.isnan(r2(_statistics(forecast, constant, climatology))).all()
    nothing = zero_statistics(num_leads=1, num_channels=1)
    for metric in METRICS.values():
        assert np.isnan(metric.compute(nothing)).all()


def test_normalized_sums_give_exact_physical_scores():
    forecast, observation, climatology = (x.double() for x in _fields())
    mean, std = np.array([101_325.0, 0.5]), np.array([800.0, 0.3])

    def physical(x):
        return x * torch.tensor(std)[:, None, None] + torch.tensor(mean)[:, None, None]

    ours = in_physical_units(_statistics(forecast, observation, climatology), std=std)
    direct = _statistics(*(physical(x) for x in (forecast, observation, climatology)))
    for values, metric in zip(ours, METRICS.values(), strict=True):
        # Sums of squares of pressure lose some digits, which is why ours are normalized.
        np.testing.assert_allclose(values, metric.compute(direct), rtol=1e-7)
