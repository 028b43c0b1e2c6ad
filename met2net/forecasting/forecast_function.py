"""The one form in which forecasts are compared."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from met2net.data.normalization import Normalizer

__all__ = ["ForecastFunction", "renormalize"]

# Normalized inputs (B T C H W) and init times (B, hours since the epoch) to normalized
# forecasts (B T' C H W).
ForecastFunction = Callable[[Tensor, Tensor], Tensor]


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
