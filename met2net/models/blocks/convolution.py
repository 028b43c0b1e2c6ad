"""The convolution layer that encoders and decoders are made of."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from met2net.models.blocks.function_transforms import is_transformed
from met2net.models.blocks.group_norm import GroupNorm

__all__ = ["ConvLayer", "Resampling", "layer_plan"]

Resampling = Literal["none", "down", "up"]

_SMALL = 2**20  # numbers of a layer that is kept whole: 4 MiB


def layer_plan(num_scales: int, *, down_sampling: bool) -> tuple[Resampling, ...]:
    """Give an encoder's layers: same, down, same, down, ...; a decoder mirrors them.

    Without down-sampling every layer keeps the grid.
    """
    return tuple("down" if down_sampling and i % 2 else "none" for i in range(num_scales))


class ConvLayer(nn.Module):
    """Convolution 3x3, group normalization (2 groups), SiLU; halves or doubles the grid on demand.

    Down-sampling is a stride of 2; up-sampling a convolution to four times the channels and
    a pixel shuffle. Weights start from a truncated normal of std 0.02, biases from 0.
    Source: Li et al. 2025, arXiv:2507.17189, and Tan et al. 2022, arXiv:2206.05099 (SimVP).

    Raises:
        ValueError: if `out_channels` is odd (two groups need an even number).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, resampling: Resampling = "none"
    ) -> None:
        super().__init__()
        if out_channels % 2 or out_channels < 2:
            raise ValueError(f"layer width is {out_channels}; expected a positive even number")
        is_up = resampling == "up"
        self.convolution = nn.Conv2d(
            in_channels,
            out_channels * (4 if is_up else 1),
            kernel_size=3,
            stride=2 if resampling == "down" else 1,
            padding=1,
        )
        self.shuffle = nn.PixelShuffle(2) if is_up else nn.Identity()
        self.norm = GroupNorm(2, out_channels)
        self.activation = nn.SiLU()
        nn.init.trunc_normal_(self.convolution.weight, std=0.02)
        assert self.convolution.bias is not None
        nn.init.zeros_(self.convolution.bias)

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """Apply the layer to independent fields.

        For the backward pass the activation of a large layer is computed again, which takes little
        time: kept, it would be a third of a network's memory on a fine grid.
        """
        hidden = self.shuffle(self.convolution(fields))
        is_small = hidden.numel() <= _SMALL
        if is_small or not torch.is_grad_enabled() or is_transformed():
            return self._normalize(hidden)
        output: Tensor = checkpoint(
            self._normalize, hidden, use_reentrant=False, preserve_rng_state=False
        )
        return output

    def _normalize(self, hidden: Tensor) -> Tensor:
        output: Tensor = self.activation(self.norm(hidden))
        return output
