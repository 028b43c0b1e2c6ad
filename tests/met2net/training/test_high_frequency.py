import math

import pytest
import torch

from met2net.training.high_frequency import HighFrequencyFocal, high_frequency_focal_loss
from tests.met2net.models.model_builders import make_batch, make_met2net, make_reference_frame

SIZE = 16  # points a side; 8 x 8 frequencies of the smooth band


def wave(rows: int, columns: int, *, amplitude: float = 1.0) -> torch.Tensor:
    """A wave of so many periods over the field, each value on 2 x 2 points: all of it smooth."""
    y, x = (torch.arange(SIZE // 2) * 2 * math.pi / (SIZE // 2) for _ in range(2))
    field = amplitude * torch.cos(rows * y[:, None] + columns * x)
    return field.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)[None, None, None]


def loss(error: torch.Tensor, *, radius: float = 0.1) -> float:
    return high_frequency_focal_loss(error, torch.zeros_like(error), radius=radius).item()


def test_one_wave_by_hand():
    # The smooth band is twice the wave: energy 4 * 1/2 a point, all of it at the two worst
    # frequencies, whose weight is 1; so the mean is 2.
    assert loss(wave(0, 2)) == pytest.approx(2.0, rel=1e-5)


def test_frequencies_within_the_radius_do_not_count():
    assert loss(wave(0, 0)) == 0
    assert loss(wave(0, 1), radius=0.125) == pytest.approx(0, abs=1e-9)
    assert loss(wave(1, 1), radius=0.125) > 1


def test_weaker_waves_count_less_than_their_energy():
    both = loss(wave(0, 2) + wave(2, 0, amplitude=0.1))
    alone = loss(wave(2, 0, amplitude=0.1))
    # Amplitude of a wave in the spectrum: 8 and 0.8; the focus is the ratio of logarithms.
    focus = math.log(1.8) / math.log(9)
    assert both == pytest.approx(2 + focus * alone, rel=1e-4)


def test_a_perfect_forecast_costs_nothing_and_has_a_gradient():
    forecast = torch.zeros(1, 1, 1, 4, 5, requires_grad=True)
    value = high_frequency_focal_loss(forecast, torch.zeros(1, 1, 1, 4, 5), radius=0.1)
    value.backward()
    assert value == 0
    assert torch.equal(forecast.grad, torch.zeros_like(forecast))


def test_half_precision_is_computed_in_float32():
    error = wave(0, 2).bfloat16()
    value = high_frequency_focal_loss(error, torch.zeros_like(error), radius=0.1)
    assert value.dtype == torch.float32


@pytest.mark.parametrize("make_network", [make_met2net, make_reference_frame])
def test_the_objective_adds_the_weighted_loss(make_network):
    network = make_network().eval()
    inputs, targets = make_batch()
    losses = HighFrequencyFocal(weight=0.5)(network, inputs, targets)
    torch.testing.assert_close(
        losses["loss"], losses["prediction_loss"] + 0.5 * losses["focal_loss"]
    )
    assert losses["focal_loss"] > 0


def test_channels_and_areas_weigh_the_squared_error_and_channels_the_fine_structures():
    network = make_met2net().eval()
    inputs, targets = make_batch()
    objective = HighFrequencyFocal(channel_weights={"t2m": 4.0}, area_weighted=True)
    objective.set_area_weights(torch.tensor([1.0, 2.0, 2.0, 1.0]))
    objective.prepare(network)
    losses = objective(network, inputs, targets)
    error = network(inputs) - targets
    channels, rows = torch.tensor([0.5, 0.5, 2.0]), torch.tensor([1.0, 2.0, 2.0, 1.0]) / 1.5
    squared = channels[:, None, None] * rows[:, None] * error.square()
    torch.testing.assert_close(losses["prediction_loss"], squared.mean())
    parts = [
        high_frequency_focal_loss(error[:, :, [i]], 0 * error[:, :, [i]], radius=0.1)
        for i in range(3)
    ]
    torch.testing.assert_close(losses["focal_loss"], (channels * torch.stack(parts)).mean())


@pytest.mark.parametrize("name", ["weight", "radius"])
def test_negative_settings_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is -1.0; expected at least 0"):
        HighFrequencyFocal(**{name: -1.0})
