"""The loss that TAU is trained with beside the squared error."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["differential_divergence"]


def differential_divergence(
    forecast: Float[Tensor, "b t c h w"],
    targets: Float[Tensor, "b t c h w"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """Compare where and how much frames change: KL of the softmax of frame differences.

    The softmax runs over all channels and points of a difference. As in the published
    settings, p log(p / q), p from the forecast, is averaged over points, not summed. A single
    frame has no differences, and so no divergence: 0.
    Source: Tan et al. 2023, arXiv:2206.12126, section 3.3.
    """
    if forecast.shape[1] == 1:
        return forecast.new_zeros(())
    predicted, true = (
        (x.diff(dim=1).flatten(start_dim=2) / temperature).log_softmax(dim=-1)
        for x in (forecast, targets)
    )
    return F.kl_div(true, predicted, reduction="none", log_target=True).mean()
