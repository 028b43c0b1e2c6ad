"""Padding at the edges of grids: repeated rows, and longitudes that close the circle."""

from functools import partial
from typing import Any

import torch
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
    """Let every convolution and pooling see across the edge between last and first longitude.

    For grids that go round the globe; where a kernel reaches further than that, it goes round
    again. Rows are padded as before; weights keep their names.
    """
    for part in network.modules():
        if not isinstance(part, nn.Conv2d | nn.AvgPool2d) or isinstance(part.padding, str):
            continue
        rows, columns = _pair(part.padding)
        if columns > 0:
            part.register_forward_pre_hook(partial(_pad_longitude, width=columns))
            part.padding = (rows, 0)


def _pad_longitude(_part: nn.Module, inputs: tuple[Any, ...], *, width: int) -> tuple[Tensor]:
    """Put the last columns before the first ones and the first ones after the last ones."""
    fields: Tensor = inputs[0]
    size = fields.shape[-1]
    if width <= size:
        return (F.pad(fields, (width, width, 0, 0), mode="circular"),)
    columns = torch.arange(-width, size + width, device=fields.device) % size
    return (fields[..., columns],)


def _pair(padding: int | tuple[int, ...]) -> tuple[int, int]:
    """Give the padding of rows and of columns."""
    return (padding, padding) if isinstance(padding, int) else (padding[0], padding[1])
