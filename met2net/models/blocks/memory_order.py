"""The order of axes in memory."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

__all__ = ["channels_last", "has_channels_last"]


def has_channels_last(fields: Float[Tensor, "n c h w"]) -> bool:
    """Tell whether channels lie last in memory, and nothing between the numbers."""
    # Asked this way, since `torch.func.vmap` knows of no other order than that of the axes.
    return rearrange(fields, "n c h w -> n h w c").is_contiguous()


def channels_last(fields: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Bring channels last in memory; fields that have them there are given back as they are."""
    if torch.compiler.is_compiling():
        return fields.contiguous(memory_format=torch.channels_last)
    if fields.shape[1] == 1:
        # One channel lies everywhere; strides that say so tell convolutions which order to keep.
        return fields.squeeze(1).contiguous().unsqueeze(-1).permute(0, 3, 1, 2)
    last = rearrange(fields, "n c h w -> n h w c").contiguous()
    return rearrange(last, "n h w c -> n c h w")
