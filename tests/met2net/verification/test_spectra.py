import numpy as np
import pytest
import torch

from met2net.data.grid import Grid, equiangular
from met2net.verification.spectra import zonal_power

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
