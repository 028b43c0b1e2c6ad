"""The 1x1 convolution, which is a matrix product."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PointwiseConvolution"]

_LARGE_BATCH = 16  # samples


class PointwiseConvolution(nn.Conv2d):
    """A 1x1 convolution; where PyTorch's own would be slow, computed as a matrix product.

    On the CPU, PyTorch hands a 1x1 convolution to a slow routine in float64 and, on one thread,
    where there are few samples. A product of matrices is free of copies where channels lie
    last in memory, and keeps them there.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """Apply one matrix to the channels of every point."""
        if not self._is_slow(fields):
            return super().forward(fields)
        height, width = fields.shape[-2:]
        points = rearrange(fields, "n c h w -> (n h w) c")
        points = F.linear(points, self.weight.flatten(1), self.bias)
        return rearrange(points, "(n h w) d -> n d h w", h=height, w=width)

    def _is_slow(self, fields: Tensor) -> bool:
        """Tell whether PyTorch passes oneDNN over: `use_mkldnn` in its Convolution.cpp."""
        if fields.device.type != "cpu" or torch.compiler.is_compiling():
            return False
        if fields.dtype == torch.float64:
            return True
        is_small = torch.get_num_threads() == 1 and len(fields) < _LARGE_BATCH
        return is_small and fields.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
