"""The 1x1 convolution, which is a matrix product."""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PointwiseConvolution", "pointwise"]


class PointwiseConvolution(nn.Conv2d):
    """A 1x1 convolution; on the CPU computed as the matrix product that it is.

    Free of copies where channels lie last in memory, and its gradient keeps that layout, which
    a convolution of a small batch does not. On other devices it is the plain convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """Apply one matrix to the channels of every point."""
        return pointwise(fields, self.weight, self.bias)


def pointwise(
    fields: Float[Tensor, "n c h w"],
    weight: Float[Tensor, "d c 1 1"],
    bias: Float[Tensor, " d"] | None,
) -> Float[Tensor, "n d h w"]:
    """Convolve with a 1x1 kernel."""
    if fields.device.type != "cpu":
        return F.conv2d(fields, weight, bias)
    height, width = fields.shape[-2:]
    points = F.linear(rearrange(fields, "n c h w -> (n h w) c"), weight.flatten(1), bias)
    return rearrange(points, "(n h w) d -> n d h w", h=height, w=width)
