"""Padding of grids whose sizes are no multiples of the down-sampling factor."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["pad_to_multiple"]


def pad_to_multiple(
    fields: Float[Tensor, "n c h w"], factor: int
) -> Float[Tensor, "n c padded_h padded_w"]:
    """Repeat the last row and column until both sizes are multiples of `factor`.

    A grid that fits already is given back as it is. The caller crops the result of its
    network to the first `h` rows and `w` columns.
    """
    height, width = fields.shape[-2:]
    below, right = -height % factor, -width % factor
    if below == right == 0:
        return fields
    return F.pad(fields, (0, right, 0, below), mode="replicate")
