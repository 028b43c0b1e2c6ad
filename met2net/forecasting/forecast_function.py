"""The one form in which forecasts are compared, and how a network gets it."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.data.normalization import Normalizer

__all__ = ["ForecastFunction", "network_forecast", "renormalize"]

# Normalized inputs (B T C H W) and init times (B, hours since the epoch) to normalized
# forecasts (B T' C H W).
ForecastFunction = Callable[[Tensor, Tensor], Tensor]

_CPU_INPUTS = 2**19  # numbers; four samples of 12 frames of five channels of 32 x 64 points


def network_forecast(
    network: nn.Module, *, trained_with: Normalizer, applied_to: Normalizer
) -> ForecastFunction:
    """Make a forecast function of a network, which sees the inputs alone.

    A network scored on another training set than its own, as a champion is on newer data,
    gets its inputs in the normalization that it was trained with.

    Args:
        network: forecaster of normalized fields, in eval mode.
        trained_with: normalization inside the network.
        applied_to: normalization of the inputs and of the forecasts that are given back.
    """

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        own_inputs = renormalize(inputs, source=applied_to, target=trained_with)
        return renormalize(
            _in_small_batches(network, own_inputs), source=trained_with, target=applied_to
        )

    return forecast


def _in_small_batches(network: nn.Module, inputs: Tensor) -> Tensor:
    """Run a network on a few samples at a time where that is quicker; samples do not meet.

    On the CPU, what a layer gives a large batch outgrows the caches, and malloc takes it from
    the system and gives it back at once: page faults then cost up to as much as the network itself.
    """
    num_samples = max(1, _CPU_INPUTS // inputs.shape[1:].numel())
    if inputs.device.type != "cpu" or len(inputs) <= num_samples:
        return network(inputs)  # type: ignore[no-any-return]
    return torch.cat([network(part) for part in torch.split(inputs, num_samples)])


def renormalize(
    fields: Float[Tensor, "*batch c h w"], *, source: Normalizer, target: Normalizer
) -> Float[Tensor, "*batch c h w"]:
    """Turn values normalized by one normalizer into those of another; the same, if equal.

    Raises:
        ValueError: if the normalizers are for different channels.
    """
    if source.channels != target.channels:
        raise ValueError(
            f"found channels {', '.join(source.channels)}; expected {', '.join(target.channels)}"
        )
    if source == target:
        return fields
    source_mean, source_std, target_mean, target_std = (
        torch.tensor(values, dtype=torch.float64)[:, None, None]
        for values in (source.mean, source.std, target.mean, target.std)
    )
    # One step in float64 constants: going through physical units would lose digits where a
    # channel's mean is large beside its std (pressure).
    scale = (source_std / target_std).to(fields)
    shift = ((source_mean - target_mean) / target_std).to(fields)
    return fields * scale + shift
