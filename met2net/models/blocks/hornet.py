"""The HorNet block: gated convolutions applied recursively, then an MLP on single points."""

from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.channel_mlp import pointwise_mlp
from met2net.models.blocks.channel_norm import ChannelNorm
from met2net.models.blocks.initialization import initialize_truncated
from met2net.models.blocks.memory_order import channels_last
from met2net.models.blocks.residual import ScaledResidual

__all__ = ["HorNetBlock", "RecursiveGatedConvolution"]

_LAYER_SCALE = 1e-6  # where both residual branches start


class HorNetBlock(nn.Module):
    """Two residual halves: recursive gated convolution of order 4, then an MLP.

    Source: Rao et al. 2022, arXiv:2207.14284 (HorNet). The published parameter count of the
    benchmark (OpenSTL, Tan et al. 2023, arXiv:2306.11249) is that of order 4.
    """

    def __init__(self, dim: int, *, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.gate = ScaledResidual(
            dim,
            branch=[ChannelNorm(dim), RecursiveGatedConvolution(dim, order=4)],
            initial_scale=_LAYER_SCALE,
            drop_path=drop_path,
        )
        self.mlp = ScaledResidual(
            dim,
            branch=[ChannelNorm(dim), pointwise_mlp(dim, hidden_dim=mlp_ratio * dim)],
            initial_scale=_LAYER_SCALE,
            drop_path=drop_path,
        )
        initialize_truncated(self)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply both halves."""
        # Depthwise convolutions on the CPU are faster in this layout.
        fields = channels_last(fields)
        output: Tensor = self.mlp(self.gate(fields))
        return output


class RecursiveGatedConvolution(nn.Module):
    """Multiply a point's features by those of its surroundings, `order` times, ever wider.

    A 1x1 convolution gives p of the smallest width and q of all widths; a depthwise 7x7
    convolution looks round in all q; then p <- p * q_0, and for every further width
    p <- conv1x1(p) * q_k. Widths are dim / 2^(order-1) ... dim / 2, dim, rounded down, at
    least 1. Source: Rao et al. 2022, arXiv:2207.14284, section 3.1 (g^n Conv), with its output
    scale 1 / alpha at 1.

    Raises:
        ValueError: if the order is below 1.
    """

    def __init__(self, dim: int, *, order: int) -> None:
        super().__init__()
        if order < 1:
            raise ValueError(f"order is {order}; expected at least 1")
        self.widths = [max(1, dim // 2**i) for i in reversed(range(order))]
        total = sum(self.widths)
        self.project_in = nn.Conv2d(dim, self.widths[0] + total, 1)
        self.surroundings = nn.Conv2d(total, total, 7, padding=3, groups=total)
        self.widen = nn.ModuleList(
            nn.Conv2d(narrow, wide, 1)
            for narrow, wide in zip(self.widths, self.widths[1:], strict=False)
        )
        self.project_out = nn.Conv2d(dim, dim, 1)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Gate recursively."""
        narrow = self.widths[0]
        point, around = self.project_in(fields).split([narrow, sum(self.widths)], dim=1)
        first, *further = self.surroundings(around).split(self.widths, dim=1)
        point = point * first
        for widen, gate in zip(self.widen, further, strict=True):
            point = widen(point) * gate
        output: Tensor = self.project_out(point)
        return output
