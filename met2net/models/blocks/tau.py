"""The block of the temporal attention unit (TAU): a large-kernel gate and a mixing MLP."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.channel_mlp import mixing_mlp
from met2net.models.blocks.dilated_convolution import DilatedConvolution
from met2net.models.blocks.drop_path import DropPath
from met2net.models.blocks.gelu import Gelu
from met2net.models.blocks.initialization import initialize_by_fan_out
from met2net.models.blocks.memory_order import channels_last
from met2net.models.blocks.pointwise import PointwiseConvolution

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
        self.mlp = mixing_mlp(dim, hidden_dim=mlp_ratio * dim)
        self.mlp_scale = nn.Parameter(torch.full((dim, 1, 1), _LAYER_SCALE))
        self.drop_path = DropPath(drop_path)
        initialize_by_fan_out(self)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply both halves."""
        # Depthwise convolutions on the CPU are two to three times faster in this layout.
        fields = channels_last(fields)
        fields = self.drop_path.add(
            fields, self.gate(self.gate_norm(fields)), scale=self.gate_scale
        )
        return self.drop_path.add(fields, self.mlp(self.mlp_norm(fields)), scale=self.mlp_scale)


class _GatedConvolution(nn.Module):
    """1x1 convolution, GELU, gate over 21x21 points, 1x1 convolution, plus its own input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project_in = PointwiseConvolution(dim, dim)
        self.activation = Gelu()
        self.attention = nn.Sequential(
            nn.Conv2d(dim, dim, 5, padding=2, groups=dim),
            DilatedConvolution(dim),
            PointwiseConvolution(dim, dim),
        )
        self.project_out = PointwiseConvolution(dim, dim)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Weigh every point of every channel by its surroundings."""
        hidden = self.activation(self.project_in(fields))
        output: Tensor = self.project_out(hidden * self.attention(hidden))
        return output + fields
