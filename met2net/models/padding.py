"""Padding at the edges of grids: repeated rows, and longitudes that close the circle."""

from functools import partial
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["close_circle", "pad_to_multiple"]


def pad_to_multiple(
    fields: Float[Tensor, "n c h w"], factor: int, *, periodic_longitude: bool = False
) -> Float[Tensor, "n c padded_h padded_w"]:
    """Repeat the last row and column until both sizes are multiples of `factor`.

    On a circle of longitudes, the first columns follow the last one. A grid that fits already
    is given back as it is. The caller crops the result of its network to the first `h` rows
    and `w` columns.
    """
    height, width = fields.shape[-2:]
    below, right = -height % factor, -width % factor
    if below == right == 0:
        return fields
    if periodic_longitude:
        fields, right = F.pad(fields, (0, right, 0, 0), mode="circular"), 0
    return F.pad(fields, (0, right, 0, below), mode="replicate")


def close_circle(network: nn.Module) -> None:
    """Let every convolution of a network see across the edge between last and first longitude.

    For grids that go round the globe. Rows are padded as before; weights keep their names.
    A kernel must not reach further than once around: PyTorch refuses to run it otherwise.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and not isinstance(part.padding, str) and part.padding[1]:
            part.register_forward_pre_hook(partial(_pad_longitude, width=part.padding[1]))
            part.padding = (part.padding[0], 0)


def _pad_longitude(_part: nn.Module, inputs: tuple[Any, ...], *, width: int) -> tuple[Tensor]:
    """Put the last columns before the first ones and the first ones after the last ones."""
    return (F.pad(inputs[0], (width, width, 0, 0), mode="circular"),)
