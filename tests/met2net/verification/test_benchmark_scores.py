import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from met2net.data.normalization import Normalizer
from met2net.verification.benchmark_scores import (
    BENCHMARK_METRICS,
    BenchmarkSums,
    benchmark_scores,
)
from met2net.verification.score_stream import ScoredBatch, compute_statistics

RNG = np.random.default_rng(0)
FORECAST = torch.from_numpy(RNG.normal(0.5, 0.4, size=(3, 2, 2, 12, 14))).float()
TRUTH = torch.from_numpy(RNG.random(size=(3, 2, 2, 12, 14))).float()


def test_errors_are_summed_over_channels_and_pixels_by_hand():
    forecast, truth = torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2)
    truth[0, 0, 0, 0, 0], truth[0, 0, 1, 1, 1] = 0.5, -0.25
    squared, absolute, ssim, psnr = benchmark_scores(forecast, truth)[:, 0, 0].tolist()
    assert squared == 0.25 + 0.0625
    assert absolute == 0.75
    assert np.isnan(ssim)  # too small for windows of 7 x 7
    assert psnr == pytest.approx(-10 * np.log10(0.3125 / 8))


def ssim_by_scipy(first: np.ndarray, second: np.ndarray) -> float:
    """The structural similarity of one channel, with sample covariances, inside alone."""
    n, c1, c2 = 49, (0.01 * 2) ** 2, (0.03 * 2) ** 2
    mean = [uniform_filter(x, 7) for x in (first, second)]
    products = [uniform_filter(x, 7) for x in (first**2, second**2, first * second)]
    scale = n / (n - 1)
    var_first, var_second = (scale * (p - m**2) for p, m in zip(products, mean, strict=False))
    covariance = scale * (products[2] - mean[0] * mean[1])
    ratio = (2 * mean[0] * mean[1] + c1) * (2 * covariance + c2)
    ratio /= (mean[0] ** 2 + mean[1] ** 2 + c1) * (var_first + var_second + c2)
    return float(ratio[3:-3, 3:-3].mean())


def test_ssim_and_psnr_are_of_whole_frames_cut_off_at_0_and_1():
    scores = benchmark_scores(FORECAST, TRUTH)
    for b in range(3):
        for lead in range(2):
            cut = FORECAST[b, lead].clamp(0, 1).double().numpy()
            truth = TRUTH[b, lead].double().numpy()
            ssim = np.mean([ssim_by_scipy(x, y) for x, y in zip(cut, truth, strict=True)])
            assert scores[2, b, lead].item() == pytest.approx(ssim, abs=1e-9)
            psnr = -10 * np.log10(((cut - truth) ** 2).mean())
            assert scores[3, b, lead].item() == pytest.approx(psnr, abs=1e-9)


def test_a_perfect_frame_has_no_error_and_similarity_1():
    squared, absolute, ssim, psnr = benchmark_scores(TRUTH, TRUTH)
    assert squared.max() == 0 and absolute.max() == 0
    torch.testing.assert_close(ssim, torch.ones_like(ssim))
    assert torch.isinf(psnr).all()


def scored(forecast: torch.Tensor, truth: torch.Tensor, model: str = "a") -> ScoredBatch:
    statistics = compute_statistics(
        forecast, truth, climatology=torch.zeros_like(truth), latitude_weights=np.ones(12)
    )
    return ScoredBatch(model, np.arange(len(truth)), forecast, truth, statistics)


def test_means_are_over_frames_however_they_are_batched_and_in_physical_values():
    normalizer = Normalizer(("a", "b"), (0.5, 0.25), (2.0, 0.5))
    forecast, truth = (normalizer.normalize(x) for x in (FORECAST, TRUTH))
    sums = BenchmarkSums(normalizer)
    for rows in (slice(0, 2), slice(2, 3)):
        sums.add(scored(forecast[rows], truth[rows]))
        sums.add(scored(truth[rows], truth[rows], model="b"))
    scores = sums.to_dataset(lead_time=[1, 2])
    expected = benchmark_scores(FORECAST, TRUTH).mean(dim=1).numpy()
    assert scores["benchmark_metric"].values.tolist() == list(BENCHMARK_METRICS)
    np.testing.assert_allclose(scores["benchmark_by_lead"].sel(model="a"), expected, rtol=1e-5)
    np.testing.assert_allclose(scores["benchmark"].sel(model="a"), expected.mean(1), rtol=1e-5)
    assert scores["benchmark"].sel(model="b", benchmark_metric="ssim") == pytest.approx(1)


def test_no_forecasts_are_refused():
    sums = BenchmarkSums(Normalizer(("a",), (0.0,), (1.0,)))
    with pytest.raises(ValueError, match="no forecasts were added"):
        sums.to_dataset(lead_time=[1])
