"""The two MLPs of convolutional blocks: on single points, and with their neighbours."""

from torch import nn

from met2net.models.blocks.gelu import Gelu
from met2net.models.blocks.pointwise import PointwiseConvolution

__all__ = ["mixing_mlp", "pointwise_mlp"]


def pointwise_mlp(dim: int, *, hidden_dim: int) -> nn.Sequential:
    """Build 1x1 convolution, GELU, 1x1 convolution."""
    return nn.Sequential(
        PointwiseConvolution(dim, hidden_dim), Gelu(), PointwiseConvolution(hidden_dim, dim)
    )


def mixing_mlp(dim: int, *, hidden_dim: int) -> nn.Sequential:
    """Build 1x1 convolution, depthwise 3x3, GELU, 1x1 convolution."""
    return nn.Sequential(
        PointwiseConvolution(dim, hidden_dim),
        nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim),
        Gelu(),
        PointwiseConvolution(hidden_dim, dim),
    )
