"""The PoolFormer block: an average of the neighbours, then an MLP on single points."""

from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.channel_mlp import pointwise_mlp
from met2net.models.blocks.group_norm import GroupNorm
from met2net.models.blocks.initialization import initialize_truncated
from met2net.models.blocks.residual import ScaledResidual

__all__ = ["PoolFormerBlock"]

_LAYER_SCALE = 1e-5  # where both residual branches start


class PoolFormerBlock(nn.Module):
    """Two residual halves: the mean of 3x3 points less the point, then an MLP.

    Source: Yu et al. 2022, arXiv:2111.11418 (MetaFormer is actually what you need for vision).
    """

    def __init__(self, dim: int, *, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.pooling = ScaledResidual(
            dim,
            branch=[GroupNorm(1, dim), _Pooling()],
            initial_scale=_LAYER_SCALE,
            drop_path=drop_path,
        )
        self.mlp = ScaledResidual(
            dim,
            branch=[GroupNorm(1, dim), pointwise_mlp(dim, hidden_dim=mlp_ratio * dim)],
            initial_scale=_LAYER_SCALE,
            drop_path=drop_path,
        )
        initialize_truncated(self)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply both halves."""
        output: Tensor = self.mlp(self.pooling(fields))
        return output


class _Pooling(nn.Module):
    """Mean of the 3x3 points round a point that lie on the grid, less the point."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Average neighbours."""
        mean: Tensor = self.mean(fields)
        return mean - fields
