"""Stochastic depth: in training, skip a residual branch for some samples."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["DropPath"]


class DropPath(nn.Module):
    """Zero whole samples with probability `rate` and scale the rest by 1 / (1 - rate).

    In eval mode it changes nothing. Source: Huang et al. 2016, arXiv:1603.09382.

    Raises:
        ValueError: if the rate is outside [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"drop path rate is {rate}; expected 0 <= rate < 1")
        self.rate = rate

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Drop samples at random in training."""
        if not self.training or self.rate == 0:
            return fields
        return fields * self._factors(fields)

    def add(
        self,
        fields: Float[Tensor, "n c h w"],
        branch: Float[Tensor, "n c h w"],
        *,
        scale: Float[Tensor, "c 1 1"],
    ) -> Float[Tensor, "n c h w"]:
        """Give fields + drop_path(scale * branch), passing over memory once."""
        if self.training and self.rate > 0:
            scale = scale * self._factors(branch)
        return torch.addcmul(fields, branch.to(fields.dtype), scale.to(fields.dtype))

    def _factors(self, fields: Tensor) -> Tensor:
        """Draw one factor a sample: 0, or what keeps the mean."""
        keep = 1 - self.rate
        return fields.new_empty(fields.shape[0], 1, 1, 1).bernoulli_(keep) / keep
