"""Points without a value count in no loss, and what stands there moves no gradient."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.models.met2net import Met2Net
from met2net.training.conventional import ReconstructThenPredict
from met2net.training.divergence import differential_divergence
from met2net.training.high_frequency import HighFrequencyFocal, high_frequency_focal_loss
from met2net.training.objective import EndToEnd
from met2net.training.squared_error import SquaredError
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import SIZES

VARIABLES = {"wind": ("u10", "v10"), "sst": ("sst",)}
MASK = torch.ones(3, 4, 6, dtype=torch.bool)
MASK[2, :, 3:] = False
MASK[2, 0, 0] = False


def make_frames(seed: int = 0, *, num: int = 3) -> torch.Tensor:
    return torch.randn(2, num, 3, 4, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("area_weighted", [False, True])
@pytest.mark.parametrize("channel_weights", [{}, {"sst": 3.0}])
def test_the_squared_error_is_the_weighted_mean_of_numpy_s_masked_arrays(
    channel_weights, area_weighted
):
    error = SquaredError(channel_weights=channel_weights, area_weighted=area_weighted)
    network = torch.nn.Module()
    network.variables = VARIABLES
    error.prepare(network)
    rows = torch.tensor([1.0, 2.0, 3.0, 4.0])
    error.set_area_weights(rows)
    error.set_valid_points(MASK)
    forecast, targets = make_frames(1), make_frames(2)
    squares = np.ma.masked_array(
        ((forecast - targets) ** 2).double().numpy(),
        np.broadcast_to(~MASK.numpy(), forecast.shape),
    )
    weights = (
        np.ones(squares.shape) * np.array([1, 1, channel_weights.get("sst", 1)])[:, None, None]
    )
    if area_weighted:
        weights = weights * rows.numpy()[:, None]
    expected = np.ma.average(squares, weights=weights)
    assert error(forecast, targets).item() == pytest.approx(float(expected), rel=1e-6)


def test_a_mask_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no point of what is forecast has a value"):
        SquaredError().set_valid_points(torch.zeros(1, 2, 2, dtype=torch.bool))


def test_a_mask_of_everything_changes_no_loss():
    forecast, targets = make_frames(1), make_frames(2)
    everywhere = torch.ones_like(MASK)
    masked = SquaredError()
    masked.set_valid_points(everywhere)
    torch.testing.assert_close(masked(forecast, targets), SquaredError()(forecast, targets))
    torch.testing.assert_close(
        differential_divergence(forecast, targets, temperature=0.1, valid=everywhere),
        differential_divergence(forecast, targets, temperature=0.1),
    )
    torch.testing.assert_close(
        high_frequency_focal_loss(forecast, targets, radius=0.1, valid=everywhere),
        high_frequency_focal_loss(forecast, targets, radius=0.1),
    )


OBJECTIVES = {
    "end to end": lambda: EndToEnd(differential_divergence_weight=0.1),
    "high frequencies": lambda: HighFrequencyFocal(weight=0.1),
    "two stages": lambda: TwoStage(),
    "conventional": lambda: ReconstructThenPredict(reconstruction_steps=1),
}


def squared(forecast: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    error = SquaredError()
    error.set_valid_points(MASK)
    return error(forecast, targets)


LOSSES = {
    "squared error": squared,
    "divergence": partial(differential_divergence, temperature=0.1, valid=MASK),
    "high frequencies": partial(high_frequency_focal_loss, radius=0.1, valid=MASK),
}


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=10, deadline=None)
@given(value=st.floats(width=32), is_target=st.booleans())
def test_whatever_stands_at_masked_points_changes_no_loss_and_no_gradient(name, value, is_target):
    found = []
    for stands in (0.0, value):
        forecast, targets = make_frames(1), make_frames(2)
        (targets if is_target else forecast)[:, :, ~MASK] = stands
        forecast.requires_grad_()
        loss = LOSSES[name](forecast, targets)
        loss.backward()
        assert (forecast.grad[:, :, ~MASK] == 0).all() and forecast.grad.any()
        found.append((loss.detach(), forecast.grad))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_leaves_the_forecast_of_masked_points_free(name):
    """Shift what the decoders give at masked points: no part of the loss of frames moves."""
    torch.manual_seed(0)
    network = Met2Net(variables=VARIABLES, num_inputs=2, num_targets=3, num_heads=2, **SIZES).eval()
    losses = []
    for shift in (0.0, 1000.0):
        objective = OBJECTIVES[name]()
        objective.prepare(network)
        objective.eval()
        objective.set_valid_points(MASK)
        hook = network.decoders.register_forward_hook(
            lambda _module, _args, frames, shift=shift: frames + shift * ~MASK
        )
        inputs = torch.where(MASK, make_frames(3, num=2), 0.0)
        losses.append(objective(network, inputs, torch.where(MASK, make_frames(2), 0.0)))
        hook.remove()
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-6)
