"""SimVP's translator: a U of Inception layers over stacked frames, and one layer as a block."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.drop_path import DropPath
from met2net.models.blocks.group_norm import GroupNorm

__all__ = ["IncepU", "InceptionBlock"]

_KERNELS = (3, 5, 7, 11)
_GROUPS = 8


class IncepU(nn.Module):
    """Two chains of Inception layers; the second sees the first one's outputs, last first.

    The grid stays as it is: the U is one of depth alone. Layer i of the second chain, from
    the second on, gets its predecessor's output and, as further channels, that of layer
    num_blocks - 1 - i of the first chain.
    Source: Gao et al. 2022, arXiv:2206.05099 (SimVP).

    Args:
        in_channels: channels of the stacked input frames.
        out_channels: channels of the stacked target frames.
        latent_dim: width in between; inside a layer it is half of that.
        num_blocks: layers of one chain.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, latent_dim: int, num_blocks: int
    ) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            _Inception(latent_dim if i else in_channels, latent_dim, hidden_dim=latent_dim // 2)
            for i in range(num_blocks)
        )
        self.decoder = nn.ModuleList(
            _Inception(
                2 * latent_dim if i else latent_dim,
                out_channels if i == num_blocks - 1 else latent_dim,
                hidden_dim=latent_dim // 2,
            )
            for i in range(num_blocks)
        )

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        """Run both chains."""
        return self.layer_outputs(fields)[-1]

    def layer_outputs(self, fields: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n _ h w"]]:
        """Give the output of every layer, in the order in which they run."""
        outputs = []
        for layer in self.encoder:
            fields = layer(fields)
            outputs.append(fields)
        skips = outputs[:-1]
        for i, layer in enumerate(self.decoder):
            fields = layer(torch.cat([fields, skips.pop()], dim=1) if i else fields)
            outputs.append(fields)
        return outputs


class InceptionBlock(nn.Module):
    """One Inception layer as a residual block of equal width: x + drop_path(inception(x)).

    In IncepU layers change width and feed each other across the U; where blocks only follow
    each other, as in Met2Net's translator, this one layer of `dim` -> `dim` / 2 -> `dim`
    channels stands for it. It has no MLP.
    """

    def __init__(self, dim: int, *, drop_path: float) -> None:
        super().__init__()
        self.inception = _Inception(dim, dim, hidden_dim=dim // 2)
        self.drop_path = DropPath(drop_path)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Add the layer's output."""
        output: Tensor = fields + self.drop_path(self.inception(fields))
        return output


class _Inception(nn.Module):
    """1x1 convolution, then the sum of grouped convolutions of 3, 5, 7 and 11 points."""

    def __init__(self, in_channels: int, out_channels: int, *, hidden_dim: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, hidden_dim, 1)
        self.branches = nn.ModuleList(
            _grouped_convolution(hidden_dim, out_channels, kernel=kernel) for kernel in _KERNELS
        )

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        """Sum over kernel sizes."""
        hidden = self.project(fields)
        first, *others = (branch(hidden) for branch in self.branches)
        output: Tensor = sum(others, start=first)
        return output


def _grouped_convolution(in_channels: int, out_channels: int, *, kernel: int) -> nn.Sequential:
    """Build grouped convolution, group normalization, leaky ReLU.

    8 groups, or the largest number below that divides both widths and 8.
    """
    groups = math.gcd(_GROUPS, in_channels, out_channels)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, groups=groups),
        GroupNorm(groups, out_channels),
        nn.LeakyReLU(0.2),
    )
