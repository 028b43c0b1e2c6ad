"""Stochastic depth: in training, skip a residual branch for some samples."""

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
        keep = 1 - self.rate
        mask = fields.new_empty(fields.shape[0], 1, 1, 1).bernoulli_(keep)
        return fields * mask / keep
