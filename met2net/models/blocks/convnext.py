"""The ConvNeXt block: a depthwise 7x7 convolution and an MLP on single points."""

from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.channel_mlp import pointwise_mlp
from met2net.models.blocks.channel_norm import ChannelNorm
from met2net.models.blocks.initialization import initialize_truncated
from met2net.models.blocks.memory_order import channels_last
from met2net.models.blocks.residual import ScaledResidual

__all__ = ["ConvNeXtBlock"]

_LAYER_SCALE = 1e-6  # where the residual branch starts


class ConvNeXtBlock(nn.Module):
    """One residual: depthwise 7x7, layer normalization over channels, 1x1, GELU, 1x1.

    Source: Liu et al. 2022, arXiv:2201.03545 (A ConvNet for the 2020s).
    """

    def __init__(self, dim: int, *, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.residual = ScaledResidual(
            dim,
            branch=[
                nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
                ChannelNorm(dim),
                pointwise_mlp(dim, hidden_dim=mlp_ratio * dim),
            ],
            initial_scale=_LAYER_SCALE,
            drop_path=drop_path,
        )
        initialize_truncated(self)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply the residual."""
        # Depthwise convolutions on the CPU are faster in this layout.
        output: Tensor = self.residual(channels_last(fields))
        return output
