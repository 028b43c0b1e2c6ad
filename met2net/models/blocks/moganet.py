"""The MogaNet block: gated aggregation over several kernel sizes, then over channels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.dilated_convolution import DilatedConvolution
from met2net.models.blocks.initialization import initialize_by_fan_out
from met2net.models.blocks.memory_order import channels_last
from met2net.models.blocks.residual import ScaledResidual

__all__ = ["MogaNetBlock"]

_SCALE = 1e-5  # where residual branches and decompositions start


class MogaNetBlock(nn.Module):
    """Two residual halves: multi-order gated aggregation, then an MLP with channel aggregation.

    Source: Li et al. 2024, arXiv:2211.03295 (MogaNet).

    Raises:
        ValueError: if there are less than 3 channels, which are split in three.
    """

    def __init__(self, dim: int, *, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.aggregation = ScaledResidual(
            dim,
            branch=[nn.BatchNorm2d(dim), _GatedAggregation(dim)],
            initial_scale=_SCALE,
            drop_path=drop_path,
        )
        self.mlp = ScaledResidual(
            dim,
            branch=[nn.BatchNorm2d(dim), *_aggregating_mlp(dim, hidden_dim=mlp_ratio * dim)],
            initial_scale=_SCALE,
            drop_path=drop_path,
        )
        initialize_by_fan_out(self)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply both halves."""
        # Depthwise convolutions on the CPU are faster in this layout.
        fields = channels_last(fields)
        output: Tensor = self.mlp(self.aggregation(fields))
        return output


class _GatedAggregation(nn.Module):
    """Surroundings of every point, weighed by the point itself.

    1x1 convolution, its detail (less the mean over the grid) emphasized, SiLU; gate times
    surroundings; 1x1 convolution; plus the input.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(dim, dim, 1)
        self.mean_scale = nn.Parameter(torch.full((dim, 1, 1), _SCALE))
        self.activation = nn.SiLU()
        self.gate = nn.Conv2d(dim, dim, 1)
        self.surroundings = _MultiOrderConvolution(dim)
        self.project_out = nn.Conv2d(dim, dim, 1)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Aggregate."""
        hidden = self.project_in(fields)
        detail = hidden - hidden.mean(dim=(-2, -1), keepdim=True)
        hidden = self.activation(hidden + self.mean_scale * detail)
        gate = self.activation(self.gate(hidden))
        output: Tensor = self.project_out(gate * self.activation(self.surroundings(hidden)))
        return output + fields


class _MultiOrderConvolution(nn.Module):
    """Depthwise 5x5, then 1/8 of the channels as they are, 3/8 further, 4/8 furthest; 1x1.

    Further is a depthwise 5x5 at dilation 2, furthest a depthwise 7x7 at dilation 3.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 3:
            raise ValueError(f"MogaNet's width is {dim}; expected at least 3 channels")
        middle, high = max(1, 3 * dim // 8), max(1, 4 * dim // 8)
        self.widths = [dim - middle - high, middle, high]
        self.low = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.middle = nn.Conv2d(middle, middle, 5, padding=4, dilation=2, groups=middle)
        self.high = DilatedConvolution(high)
        self.mix = nn.Conv2d(dim, dim, 1)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Look round at three distances."""
        low, middle, high = self.low(fields).split(self.widths, dim=1)
        output: Tensor = self.mix(torch.cat([low, self.middle(middle), self.high(high)], dim=1))
        return output


class _ChannelDecomposition(nn.Module):
    """Add to every channel, scaled, what one number a point says little about."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.summary = nn.Sequential(nn.Conv2d(dim, 1, 1), nn.GELU())
        self.scale = nn.Parameter(torch.full((dim, 1, 1), _SCALE))

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Compare all channels of a point with their summary."""
        output: Tensor = fields + self.scale * (fields - self.summary(fields))
        return output


def _aggregating_mlp(dim: int, *, hidden_dim: int) -> list[nn.Module]:
    """Build 1x1 convolution, depthwise 3x3, GELU, channel decomposition, 1x1 convolution."""
    return [
        nn.Conv2d(dim, hidden_dim, 1),
        nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim),
        nn.GELU(),
        _ChannelDecomposition(hidden_dim),
        nn.Conv2d(hidden_dim, dim, 1),
    ]
