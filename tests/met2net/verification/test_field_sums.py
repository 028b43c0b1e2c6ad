import numpy as np
import pytest
import torch

from met2net.data.grid import Grid, equiangular
from met2net.verification.field_sums import FieldSums, zonal_power
from met2net.verification.image_quality import compute_image_quality
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.statistics import zero_statistics

GRID = equiangular(15.0)  # 12 x 24
RANGE = np.array([[-2.0, -2.5], [2.0, 3.5]])
MEAN = np.array([0.25, -0.5])
STD = np.array([10.0, 0.5])


def _batch(model, predictions, targets):
    hours = np.arange(len(targets))
    nothing = zero_statistics(num_leads=3, num_channels=2)
    return ScoredBatch(model, hours, predictions, targets, nothing)


def test_means_over_all_batches_by_model():
    generator = torch.Generator().manual_seed(0)
    targets, a, b = (torch.randn(5, 3, 2, 12, 24, generator=generator) for _ in range(3))
    sums = FieldSums(grid=GRID, value_range=RANGE, mean=MEAN)
    for part in (slice(0, 2), slice(2, 5)):
        for model, predictions in (("a", a), ("b", b)):
            sums.add(_batch(model, predictions[part], targets[part]))
    found = sums.to_dataset(std=STD, channels=["t2m", "tcc"], lead_time=[1, 2, 6])
    quality = compute_image_quality(b, targets, value_range=RANGE).means()
    for metric, values in quality.items():
        mine = found["image_quality"].sel(model="b", image_metric=metric)
        np.testing.assert_allclose(mine, values.T, rtol=1e-12)
    power = found["power"].sel(model="a", channel="t2m", lead_time=6)
    np.testing.assert_allclose(
        power, 100 * zonal_power(a - 0.25, grid=GRID)[:, 2, 0].mean(0), rtol=1e-6
    )
    observed = found["observed_power"].sel(channel="tcc", lead_time=1)
    expected = 0.25 * zonal_power(targets + 0.5, grid=GRID)[:, 0, 1].mean(0)
    np.testing.assert_allclose(observed, expected, rtol=1e-6)
    assert found.sizes["wavenumber"] == 13


def test_nothing_has_no_means():
    with pytest.raises(ValueError, match="no forecasts were added"):
        FieldSums(grid=GRID, value_range=RANGE, mean=MEAN).to_dataset(
            std=STD, channels=[], lead_time=[]
        )


def test_neither_image_quality_nor_spectra_depend_on_the_normalization():
    generator = torch.Generator().manual_seed(0)
    targets, predictions = (
        280 + 10 * torch.randn(4, 1, 1, 12, 24, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
    extent, mean = np.array([[targets.min().item()], [targets.max().item()]]), np.array([279.0])
    found = []
    for shift, scale in ((279.0, 10.0), (250.0, 70.0), (0.0, 1.0)):  # mean/std, min/max, none
        sums = FieldSums(
            grid=GRID, value_range=(extent - shift) / scale, mean=(mean - shift) / scale
        )
        sums.add(_batch("a", (predictions - shift) / scale, (targets - shift) / scale))
        found.append(sums.to_dataset(std=np.array([scale]), channels=["t2m"], lead_time=[1]))
    for other in found[1:]:
        for name in ("image_quality", "power", "observed_power"):
            np.testing.assert_allclose(other[name], found[0][name], rtol=1e-9)


GLOBE = equiangular(30.0)  # 6 x 12
BOX = Grid((20.0, 10.0, 0.0), tuple(70.0 + 2 * i for i in range(16)))  # 3 x 16


@pytest.mark.parametrize("wave", [1, 4, 6])
def test_a_wave_has_its_variance_at_its_wavenumber(wave):
    x = torch.arange(12).double() * 2 * torch.pi / 12
    row = 3 * torch.cos(wave * x)
    power = zonal_power(row.expand(2, 6, 12), grid=GLOBE)
    expected = np.zeros((2, 7))
    expected[:, wave] = 9.0 if wave == 6 else 4.5  # at the last wavenumber, cos is +-1
    np.testing.assert_allclose(power, expected, atol=1e-14)


def test_powers_sum_to_the_area_weighted_mean_square():
    fields = torch.randn(4, 2, 6, 12, generator=torch.Generator().manual_seed(0)).double()
    weights = torch.from_numpy(GLOBE.area_weights())
    expected = (fields.square().mean(dim=-1) * weights).mean(dim=-1)
    np.testing.assert_allclose(zonal_power(fields, grid=GLOBE).sum(-1), expected, rtol=1e-12)


def test_a_box_loses_its_line_and_keeps_the_variance_of_noise():
    line = torch.linspace(-2, 7, 16, dtype=torch.float64).expand(5, 3, 16)
    np.testing.assert_allclose(zonal_power(line, grid=BOX), 0.0, atol=1e-25)
    noise = torch.randn(4000, 3, 16, generator=torch.Generator().manual_seed(0)).double()
    # A line takes off 1 / 16 + x^2 / sum x^2 of the variance at x, most at the ends.
    x = np.arange(16) - 7.5
    window = np.sin(np.pi * (np.arange(16) + 0.5) / 16) ** 2
    left = 1 - 1 / 16 - x**2 / (x**2).sum()
    expected = (window**2 / (window**2).mean() * left).mean()
    total = zonal_power(noise, grid=BOX).sum(-1).mean().item()
    assert total == pytest.approx(expected, rel=0.02)


def test_a_smoothed_field_lacks_power_at_short_waves():
    fields = torch.randn(50, 6, 12, generator=torch.Generator().manual_seed(0)).double()
    smooth = (fields + fields.roll(1, -1) + fields.roll(-1, -1)) / 3
    ratio = (zonal_power(smooth, grid=GLOBE) / zonal_power(fields, grid=GLOBE)).mean(0)
    k = np.arange(7)
    np.testing.assert_allclose(ratio, ((1 + 2 * np.cos(2 * np.pi * k / 12)) / 3) ** 2, atol=1e-12)
