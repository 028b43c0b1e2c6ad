"""The block of the temporal attention unit (TAU): a large-kernel gate and a mixing MLP."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.drop_path import DropPath

__all__ = ["TauBlock"]

_LAYER_SCALE = 1e-2  # where both residual branches start


class TauBlock(nn.Module):
    """Two residual halves: x + scale * gate(norm(x)), then x + scale * mlp(norm(x)).

    Source: Tan et al. 2023, arXiv:2206.12126 (TAU); the gate is that of Guo et al. 2022,
    arXiv:2202.09741 (VAN). The squeeze-excite branch that released code declares and never
    uses (2 * 16 * dim weights) is left out.
    """

    def __init__(self, dim: int, *, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.gate_norm = nn.BatchNorm2d(dim)
        self.gate = _GatedConvolution(dim)
        self.gate_scale = nn.Parameter(torch.full((dim, 1, 1), _LAYER_SCALE))
        self.mlp_norm = nn.BatchNorm2d(dim)
        self.mlp = _mixing_mlp(dim, hidden_dim=mlp_ratio * dim)
        self.mlp_scale = nn.Parameter(torch.full((dim, 1, 1), _LAYER_SCALE))
        self.drop_path = DropPath(drop_path)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                _initialize(part)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply both halves."""
        # Depthwise convolutions on the CPU are two to three times faster in this layout.
        fields = fields.contiguous(memory_format=torch.channels_last)
        fields = fields + self.drop_path(self.gate_scale * self.gate(self.gate_norm(fields)))
        output: Tensor = fields + self.drop_path(self.mlp_scale * self.mlp(self.mlp_norm(fields)))
        return output


class _GatedConvolution(nn.Module):
    """1x1 convolution, GELU, gate over 21x21 points, 1x1 convolution, plus its own input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(dim, dim, 1)
        self.activation = nn.GELU()
        self.attention = nn.Sequential(
            nn.Conv2d(dim, dim, 5, padding=2, groups=dim),
            _DilatedConvolution(dim),
            nn.Conv2d(dim, dim, 1),
        )
        self.project_out = nn.Conv2d(dim, dim, 1)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Weigh every point of every channel by its surroundings."""
        hidden = self.activation(self.project_in(fields))
        output: Tensor = self.project_out(hidden * self.attention(hidden))
        return output + fields


class _DilatedConvolution(nn.Conv2d):
    """Depthwise 7x7 convolution at dilation 3; reaches 9 points to each side.

    On a small grid the outer taps meet nothing but padding. They are left out there, which
    changes no value.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim, 7, padding=9, dilation=3, groups=dim)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Convolve with the taps that reach into the grid."""
        height, width = (min(3, (size - 1) // 3) for size in fields.shape[-2:])
        weight = self.weight[:, :, 3 - height : 4 + height, 3 - width : 4 + width]
        return nn.functional.conv2d(
            fields,
            weight,
            self.bias,
            padding=(3 * height, 3 * width),
            dilation=3,
            groups=self.groups,
        )


def _mixing_mlp(dim: int, *, hidden_dim: int) -> nn.Sequential:
    """Build 1x1 convolution, depthwise 3x3, GELU, 1x1 convolution."""
    return nn.Sequential(
        nn.Conv2d(dim, hidden_dim, 1),
        nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim),
        nn.GELU(),
        nn.Conv2d(hidden_dim, dim, 1),
    )


def _initialize(convolution: nn.Conv2d) -> None:
    """Draw weights of variance 2 / fan-out; biases 0. Source: He et al. 2015, arXiv:1502.01852."""
    kernel = convolution.kernel_size[0] * convolution.kernel_size[1]
    fan_out = kernel * convolution.out_channels // convolution.groups
    nn.init.normal_(convolution.weight, std=math.sqrt(2 / fan_out))
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
