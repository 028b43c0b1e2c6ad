"""The gated spatio-temporal attention (gSTA) block of SimVPv2."""

from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.channel_mlp import mixing_mlp
from met2net.models.blocks.dilated_convolution import DilatedConvolution
from met2net.models.blocks.initialization import initialize_by_fan_out
from met2net.models.blocks.memory_order import channels_last
from met2net.models.blocks.residual import ScaledResidual

__all__ = ["GstaBlock"]

_LAYER_SCALE = 1e-2  # where both residual branches start


class GstaBlock(nn.Module):
    """Two residual halves: gated large-kernel attention, then an MLP that sees neighbours.

    Source: Tan et al. 2022, arXiv:2211.12509 (SimVPv2); the large kernel is that of Guo et
    al. 2022, arXiv:2202.09741 (VAN).
    """

    def __init__(self, dim: int, *, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.attention = ScaledResidual(
            dim,
            branch=[nn.BatchNorm2d(dim), _GatedAttention(dim)],
            initial_scale=_LAYER_SCALE,
            drop_path=drop_path,
        )
        self.mlp = ScaledResidual(
            dim,
            branch=[nn.BatchNorm2d(dim), mixing_mlp(dim, hidden_dim=mlp_ratio * dim)],
            initial_scale=_LAYER_SCALE,
            drop_path=drop_path,
        )
        initialize_by_fan_out(self)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply both halves."""
        # Depthwise convolutions on the CPU are faster in this layout.
        fields = channels_last(fields)
        output: Tensor = self.mlp(self.attention(fields))
        return output


class _GatedAttention(nn.Module):
    """1x1 convolution, GELU, large-kernel features times their gate, 1x1 convolution, plus input.

    TAU multiplies its input by the large kernel's output; here that output itself is split
    into features and a sigmoid gate.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(dim, dim, 1)
        self.activation = nn.GELU()
        self.large_kernel = nn.Sequential(
            nn.Conv2d(dim, dim, 5, padding=2, groups=dim),
            DilatedConvolution(dim),
            nn.Conv2d(dim, 2 * dim, 1),
        )
        self.project_out = nn.Conv2d(dim, dim, 1)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Gate the surroundings of every point."""
        hidden = self.large_kernel(self.activation(self.project_in(fields)))
        features, gate = hidden.chunk(2, dim=1)
        output: Tensor = self.project_out(features * gate.sigmoid())
        return output + fields
