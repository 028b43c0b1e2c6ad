"""The residual half that most blocks are made of."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.drop_path import DropPath

__all__ = ["ScaledResidual"]


class ScaledResidual(nn.Module):
    """Add a branch: x + drop_path(scale * branch(x)), with one learned scale a channel.

    A small scale at the start makes a deep chain begin near the identity.
    Source: Touvron et al. 2021, arXiv:2103.17239 (LayerScale).

    Args:
        branch: its layers in order, the normalization first.
        initial_scale: where the scales start.
        drop_path: rate at which whole samples leave the branch out.
    """

    def __init__(
        self, dim: int, *, branch: list[nn.Module], initial_scale: float, drop_path: float
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)
        self.scale = nn.Parameter(torch.full((dim, 1, 1), initial_scale))
        self.drop_path = DropPath(drop_path)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply the branch and add it."""
        output: Tensor = fields + self.drop_path(self.scale * self.branch(fields))
        return output
