import pytest
import torch
from torch import nn

from met2net.data.normalization import Normalizer, renormalize
from met2net.forecasting.network_forecast import network_forecast

OURS = Normalizer(("t2m", "msl"), (280.0, 100_000.0), (10.0, 500.0))
OTHER = Normalizer(("t2m", "msl"), (285.0, 101_000.0), (20.0, 1000.0))


class _AddOne(nn.Module):
    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, inputs):
        self.batches.append(len(inputs))
        return inputs + 1.0


def test_renormalize_keeps_the_physical_value():
    fields = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1)  # 290 K, 101000 Pa
    other = renormalize(fields, source=OURS, target=OTHER)
    assert other.flatten().tolist() == pytest.approx([0.25, 0.0])
    back = renormalize(other, source=OTHER, target=OURS)
    torch.testing.assert_close(back, fields)


def test_renormalize_to_the_same_changes_nothing():
    fields = torch.randn(1, 2, 3, 3)
    assert renormalize(fields, source=OURS, target=OURS) is fields


def test_renormalize_refuses_other_channels():
    swapped = Normalizer(("msl", "t2m"), OURS.mean, OURS.std)
    with pytest.raises(ValueError, match="of channels t2m, msl and of msl, t2m; expected the same"):
        renormalize(torch.zeros(1, 2, 1, 1), source=OURS, target=swapped)


def test_a_network_works_in_its_own_normalization():
    forecast = network_forecast(_AddOne(), trained_with=OTHER, applied_to=OURS)
    inputs = torch.zeros(1, 1, 2, 1, 1)
    # One more in the network's units is 20 K and 1000 Pa: 2 of ours.
    assert forecast(inputs, torch.tensor([0])).flatten().tolist() == pytest.approx([2.0, 2.0])


@pytest.mark.parametrize(("points", "batches"), [(2, [5]), (256, [4, 1]), (1024, [1] * 5)])
def test_large_batches_are_forecast_in_small_ones_and_stay_in_order(points, batches):
    network = _AddOne()
    forecast = network_forecast(network, trained_with=OURS, applied_to=OURS)
    inputs = torch.randn(5, 1, 2, points, 256)  # on the CPU, 2**19 numbers at once at the most
    torch.testing.assert_close(forecast(inputs, torch.arange(5)), inputs + 1.0, rtol=0, atol=0)
    assert network.batches == batches
