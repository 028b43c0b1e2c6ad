"""The two MLPs of convolutional blocks: on single points, and with their neighbours."""

from torch import nn

__all__ = ["mixing_mlp", "pointwise_mlp"]


def pointwise_mlp(dim: int, *, hidden_dim: int) -> nn.Sequential:
    """Build 1x1 convolution, GELU, 1x1 convolution."""
    return nn.Sequential(nn.Conv2d(dim, hidden_dim, 1), nn.GELU(), nn.Conv2d(hidden_dim, dim, 1))


def mixing_mlp(dim: int, *, hidden_dim: int) -> nn.Sequential:
    """Build 1x1 convolution, depthwise 3x3, GELU, 1x1 convolution."""
    return nn.Sequential(
        nn.Conv2d(dim, hidden_dim, 1),
        nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim),
        nn.GELU(),
        nn.Conv2d(hidden_dim, dim, 1),
    )
