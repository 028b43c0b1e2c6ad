"""Layer normalization of fields: every point by itself, over its channels."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ChannelNorm"]


class ChannelNorm(nn.LayerNorm):
    """Bring every point's channels to mean 0 and variance 1, then scale and shift a channel.

    Source: Ba et al. 2016, arXiv:1607.06450; over channels as in Liu et al. 2022,
    arXiv:2201.03545 (ConvNeXt).
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=1e-6)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Normalize; free of copies where channels lie last in memory."""
        normalized = super().forward(rearrange(fields, "n d h w -> n h w d"))
        return rearrange(normalized, "n h w d -> n d h w")
