"""Group normalization, whatever the order of axes in memory and the transform at work."""

from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.function_transforms import is_transformed

__all__ = ["GroupNorm"]


class GroupNorm(nn.GroupNorm):
    """Bring every group of a sample's channels to mean 0 and variance 1, then scale and shift.

    PyTorch's derivative forward, and its `vmap`, take no fields whose channels lie last in
    memory. Source: Wu & He 2018, arXiv:1803.08494.
    """

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Normalize."""
        return super().forward(fields.contiguous() if is_transformed() else fields)
