"""Encoders and decoders: one of each a variable, shared by all its frames."""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.convolution import ConvLayer, layer_plan
from met2net.models.padding import pad_to_multiple

__all__ = ["Decoders", "Encoders", "decoder_layers", "encoder_layers"]


def encoder_layers(
    in_channels: int, *, spatial_dim: int, num_scales: int, down_sampling: bool
) -> nn.Sequential:
    """Build an encoder: `num_scales` layers, every second one halves the grid."""
    plan = layer_plan(num_scales, down_sampling=down_sampling)
    widths = [in_channels] + [spatial_dim] * (num_scales - 1)
    return nn.Sequential(
        *(ConvLayer(w, spatial_dim, resampling=r) for w, r in zip(widths, plan, strict=True))
    )


def decoder_layers(
    out_channels: int, *, spatial_dim: int, num_scales: int, down_sampling: bool
) -> nn.Sequential:
    """Build a decoder: an encoder's layers mirrored, then a 1x1 convolution to the channels."""
    plan = layer_plan(num_scales, down_sampling=down_sampling)
    layers: list[nn.Module] = [
        ConvLayer(spatial_dim, spatial_dim, resampling="up" if r == "down" else "none")
        for r in reversed(plan)
    ]
    return nn.Sequential(*layers, nn.Conv2d(spatial_dim, out_channels, 1))


class Encoders(nn.Module):
    """Map every frame of every variable to a latent; frames then stand side by side as channels.

    Grids that are no multiples of the down-sampling factor are padded by repeating the last
    row and column.
    """

    def __init__(
        self, sizes: Sequence[int], *, spatial_dim: int, num_scales: int, down_sampling: bool
    ) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.factor = 2 ** (num_scales // 2) if down_sampling else 1
        self.variables = nn.ModuleList(
            encoder_layers(
                size, spatial_dim=spatial_dim, num_scales=num_scales, down_sampling=down_sampling
            )
            for size in sizes
        )

    def forward(self, frames: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b v td h2 w2"]:
        """Encode frames of all variables, any number of frames."""
        return self.layer_outputs(frames)[-1]

    def layer_outputs(self, frames: Float[Tensor, "b t c h w"]) -> list[Float[Tensor, "b v _ _ _"]]:
        """Give the output of every layer, frames stacked on channels; the last is the latent."""
        padded = pad_to_multiple(rearrange(frames, "b t c h w -> (b t) c h w"), self.factor)
        fields = list(torch.split(padded, self.sizes, dim=1))
        outputs = []
        for step in zip(*self.variables, strict=True):  # one layer of every variable
            fields = [layer(field) for layer, field in zip(step, fields, strict=True)]
            stacked = torch.stack(fields, dim=1)  # (B*T, V, D, h, w)
            outputs.append(rearrange(stacked, "(b t) v d h w -> b v (t d) h w", t=frames.shape[1]))
        return outputs


class Decoders(nn.Module):
    """Map latents back to frames of every variable, cropped to the grid."""

    def __init__(
        self, sizes: Sequence[int], *, spatial_dim: int, num_scales: int, down_sampling: bool
    ) -> None:
        super().__init__()
        self.spatial_dim = spatial_dim
        self.variables = nn.ModuleList(
            decoder_layers(
                size, spatial_dim=spatial_dim, num_scales=num_scales, down_sampling=down_sampling
            )
            for size in sizes
        )

    def forward(
        self, latent: Float[Tensor, "b v td h2 w2"], *, grid: tuple[int, int]
    ) -> Float[Tensor, "b t c h w"]:
        """Decode frames of all variables onto a grid of (latitudes, longitudes)."""
        fields = [
            decoder(field)
            for decoder, field in zip(self.variables, self._frames(latent), strict=True)
        ]
        cropped = torch.cat(fields, dim=1)[:, :, : grid[0], : grid[1]]
        return rearrange(cropped, "(b t) c h w -> b t c h w", b=latent.shape[0])

    def layer_outputs(
        self, latent: Float[Tensor, "b v td h2 w2"]
    ) -> list[Float[Tensor, "b v _ _ _"]]:
        """Give the output of every layer before the closing 1x1 convolution."""
        fields = list(self._frames(latent))
        outputs = []
        for step in list(zip(*self.variables, strict=True))[:-1]:
            fields = [layer(field) for layer, field in zip(step, fields, strict=True)]
            stacked = torch.stack(fields, dim=1)
            outputs.append(rearrange(stacked, "(b t) v d h w -> b v (t d) h w", b=latent.shape[0]))
        return outputs

    def _frames(self, latent: Tensor) -> tuple[Tensor, ...]:
        """Fold time into the batch: a (B*T, D, h, w) a variable."""
        folded = rearrange(latent, "b v (t d) h w -> v (b t) d h w", d=self.spatial_dim)
        return folded.unbind(0)
