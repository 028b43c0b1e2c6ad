"""Operation counts of backward passes that PyTorch's own counter gets wrong."""

from math import prod
from typing import Any

import torch

__all__ = ["BACKWARD_FLOPS"]


def convolution_backward_flops(
    grad_shape: torch.Size,
    x_shape: torch.Size,
    w_shape: torch.Size,
    _bias: Any,
    _stride: Any,
    _padding: Any,
    _dilation: Any,
    transposed: bool,
    _output_padding: Any,
    _groups: int,
    output_mask: list[bool],
    *_: Any,
    **__: Any,
) -> int:
    """Count a convolution's gradients: each of input and weight costs what the forward did.

    PyTorch 2.13's own count is right for one group only: a depthwise convolution's weight
    gradient counts as many times too much as it has channels.
    """
    at_each_point = x_shape if transposed else grad_shape
    # The weight's shape holds channels a group, so this is right for any number of groups.
    forward = at_each_point[0] * prod(at_each_point[2:]) * prod(w_shape)
    return 2 * forward * sum(output_mask[:2])


BACKWARD_FLOPS = {torch.ops.aten.convolution_backward: convolution_backward_flops}
"""For `FlopCounterMode(custom_mapping=...)`: multiplications and additions, two a product."""
