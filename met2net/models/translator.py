"""The translator: from latents of the input frames to latents of the target frames."""

import copy
from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.attention import VariableAttention
from met2net.models.blocks.group_norm import GroupNorm
from met2net.models.blocks.memory_order import channels_last
from met2net.models.blocks.pointwise import PointwiseConvolution
from met2net.models.blocks.spatiotemporal import spatiotemporal_block

__all__ = ["Translator", "TranslatorBlock"]


class TranslatorBlock(nn.Module):
    """Mix the variables, then space and time: z = norm(z + VA(z)); z = norm(2 z + ST(z)).

    The same weights serve every variable. Source: Li et al. 2025, arXiv:2507.17189, section 3.5,
    which names no identity beside ST; the released code has two of them, one inside the
    feed-forward module that holds ST and one around it, whichever block ST is. ST adds its
    input too, so that it counts three times.

    Args:
        num_heads: of VA; None leaves VA and its norm out, and variables do not meet.
        block_name: ST, one of `SPATIOTEMPORAL_BLOCKS`.
        space_time_identities: how often z is added to ST(z).
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        num_heads: int | None,
        block_name: str | Callable[..., nn.Module],
        mlp_ratio: int | None,
        drop_path: float,
        space_time_identities: int,
    ) -> None:
        super().__init__()
        self.space_time_identities = space_time_identities
        self.attention: VariableAttention | None = None
        if num_heads is not None:
            self.attention = VariableAttention(latent_dim, num_heads=num_heads)
            self.attention_norm = GroupNorm(1, latent_dim)
        self.space_time = spatiotemporal_block(
            block_name, latent_dim, mlp_ratio=mlp_ratio, drop_path=drop_path
        )
        self.space_time_norm = GroupNorm(1, latent_dim)

    def forward(self, latent: Float[Tensor, "b v d h w"]) -> Float[Tensor, "b v d h w"]:
        """Apply attention between variables and the spatio-temporal block."""
        mixed = rearrange(latent, "b v d h w -> (b v) d h w")
        if self.attention is not None:
            attended = rearrange(self.attention(latent), "b v d h w -> (b v) d h w")
            mixed = self.attention_norm(mixed + attended)
        added = torch.add(self.space_time(mixed), mixed, alpha=self.space_time_identities)
        output: Tensor = self.space_time_norm(added)
        return rearrange(output, "(b v) d h w -> b v d h w", v=latent.shape[1])


class Translator(nn.Module):
    """1x1 convolution to `latent_dim`, blocks, 1x1 convolution to the target frames.

    All blocks start from copies of one initialized block, as in the released implementation.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        latent_dim: int,
        num_blocks: int,
        num_heads: int | None,
        spatiotemporal_block: str | Callable[..., nn.Module],
        mlp_ratio: int | None,
        drop_path: float,
        space_time_identities: int,
    ) -> None:
        super().__init__()
        self.project_in = PointwiseConvolution(in_channels, latent_dim)
        first = TranslatorBlock(
            latent_dim,
            num_heads=num_heads,
            block_name=spatiotemporal_block,
            mlp_ratio=mlp_ratio,
            drop_path=drop_path,
            space_time_identities=space_time_identities,
        )
        self.blocks = nn.ModuleList(copy.deepcopy(first) for _ in range(num_blocks))
        self.project_out = PointwiseConvolution(latent_dim, out_channels)

    def forward(self, latent: Float[Tensor, "b v td h w"]) -> Float[Tensor, "b v td2 h w"]:
        """Translate latents of input frames, stacked on channels, to those of target frames."""
        hidden = self.embed(latent)  # (B, V, D, h, w)
        for block in self.blocks:
            hidden = block(hidden)
        output: Tensor = self.project_out(rearrange(hidden, "b v d h w -> (b v) d h w"))
        return rearrange(output, "(b v) d h w -> b v d h w", v=latent.shape[1])

    def embed(self, latent: Float[Tensor, "b v td h w"]) -> Float[Tensor, "b v d h w"]:
        """Bring stacked frames to the width of the blocks, channels last in memory."""
        folded = rearrange(latent, "b v d h w -> (b v) d h w")
        hidden: Tensor = self.project_in(channels_last(folded))
        return rearrange(hidden, "(b v) d h w -> b v d h w", v=latent.shape[1])
