"""The loss that TAU is trained with beside the squared error."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["differential_divergence"]


def differential_divergence(
    forecast: Float[Tensor, "b t c h w"],
    targets: Float[Tensor, "b t c h w"],
    *,
    temperature: float,
    valid: Bool[Tensor, "c h w"] | None = None,
) -> Float[Tensor, ""]:
    """Compare where and how much frames change: KL of the softmax of frame differences.

    The softmax runs over all channels and points of a difference, or those with a value (`valid`).
    As in the published
    settings, p log(p / q), p from the forecast, is averaged over points, not summed. A single
    frame has no differences, and so no divergence: 0.
    Source: Tan et al. 2023, arXiv:2206.12126, section 3.3.
    """
    if forecast.shape[1] == 1:
        return forecast.new_zeros(())
    predicted, true = (
        (
            (x.flatten(start_dim=2) if valid is None else x[:, :, valid]).diff(dim=1) / temperature
        ).log_softmax(dim=-1)
        for x in (forecast, targets)
    )
    return F.kl_div(true, predicted, reduction="none", log_target=True).mean()
