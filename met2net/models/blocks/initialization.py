"""How the weights of blocks start."""

import math

from torch import nn

__all__ = ["initialize_by_fan_out", "initialize_truncated"]


def initialize_by_fan_out(network: nn.Module) -> None:
    """Draw all convolutions' weights with variance 2 / fan-out; biases 0.

    On the device "meta", where networks are built to see whether they can be, there are no values
    to draw: PyTorch would import its compiler for it, which takes seconds.

    Source: He et al. 2015, arXiv:1502.01852.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and not part.weight.is_meta:
            kernel = part.kernel_size[0] * part.kernel_size[1]
            fan_out = kernel * part.out_channels // part.groups
            nn.init.normal_(part.weight, std=math.sqrt(2 / fan_out))
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def initialize_truncated(network: nn.Module) -> None:
    """Draw all convolutions' weights from a truncated normal of std 0.02; biases 0.

    Source: Liu et al. 2022, arXiv:2201.03545, appendix A.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
