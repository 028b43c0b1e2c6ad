"""GELU, whatever the order of axes in memory."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.memory_order import has_channels_last

__all__ = ["Gelu"]


class Gelu(nn.GELU):
    """x * (normal distribution function of x).

    PyTorch's quick routine for the CPU wants axes in the order of memory, so fields whose
    channels lie last are shown to it that way. Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
    """

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Apply it to every number."""
        if not has_channels_last(fields):
            return super().forward(fields)
        activated = super().forward(rearrange(fields, "n c h w -> n h w c"))
        return rearrange(activated, "n h w c -> n c h w")
