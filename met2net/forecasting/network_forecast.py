"""A network as a forecast function."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.data.normalization import Normalizer, renormalize
from met2net.data.valid_points import FILL, ValidPoints
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.models.wrapper import run_network

__all__ = ["as_trained", "network_forecast"]

_CPU_INPUTS = 2**19  # numbers; four samples of 12 frames of five channels of 32 x 64 points


def network_forecast(
    network: nn.Module,
    *,
    trained_with: Normalizer,
    applied_to: Normalizer,
    valid: ValidPoints | None = None,
    hidden: Sequence[int] = (),
) -> ForecastFunction:
    """Make a forecast function of a network, which sees the inputs and, if it asks, the init times.

    A network scored on another training set than its own, as a champion is on newer data,
    gets its inputs in the normalization that it was trained with.

    Args:
        network: forecaster of normalized fields, in eval mode.
        trained_with: normalization inside the network.
        applied_to: normalization of the inputs and of the forecasts that are given back.
        valid: points with a value, the others are filled; None: all of them.
        hidden: places of channels that the network does not see.
    """

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        own_inputs = as_trained(
            inputs, trained_with=trained_with, applied_to=applied_to, valid=valid, hidden=hidden
        )
        return renormalize(
            _in_small_batches(network, own_inputs, init_time.to(own_inputs.device)),
            source=trained_with,
            target=applied_to,
        )

    return forecast


def as_trained(
    inputs: Float[Tensor, "b t c h w"],
    *,
    trained_with: Normalizer,
    applied_to: Normalizer,
    valid: ValidPoints | None = None,
    hidden: Sequence[int] = (),
) -> Float[Tensor, "b t c h w"]:
    """Give inputs as a network saw them in training; arguments as those of `network_forecast`."""
    own = renormalize(inputs, source=applied_to, target=trained_with)
    if valid is not None:
        own = valid.filled(own)
    if hidden:
        own = own.index_fill(2, torch.tensor(hidden, device=own.device), FILL)
    return own


def _in_small_batches(network: nn.Module, inputs: Tensor, init_time: Tensor) -> Tensor:
    """Run a network on a few samples at a time where that is quicker; samples do not meet.

    On the CPU, what a layer gives a large batch outgrows the caches, and malloc takes it from
    the system and gives it back at once: page faults then cost up to as much as the network itself.
    """
    num_samples = max(1, _CPU_INPUTS // inputs.shape[1:].numel())
    if inputs.device.type != "cpu" or len(inputs) <= num_samples:
        return run_network(network, inputs, init_time)
    parts = zip(torch.split(inputs, num_samples), torch.split(init_time, num_samples), strict=True)
    return torch.cat([run_network(network, *part) for part in parts])
