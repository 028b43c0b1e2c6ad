"""TAU: one encoder for all channels, large-kernel blocks in between, one decoder."""

from collections.abc import Callable, Mapping, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.autoencoder import decoder_layers, encoder_layers
from met2net.models.blocks.tau import TauBlock
from met2net.models.channels import channel_labels, check_input_variables, check_variables
from met2net.models.checks import check_frames, check_sizes
from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.padding import pad_to_multiple

__all__ = ["TAU"]


class TAU(nn.Module):
    """Forecast all channels at once; time is stacked into channels between encoder and decoder.

    The first block works at T * spatial_dim channels and a 1x1 convolution follows to
    `latent_dim`; after the last block a 1x1 convolution gives T' * spatial_dim. The encoder's
    first layer is added to the input of the decoder's last one, frame by frame. Where T' < T
    that skip takes the last T' input frames; where T' > T the last input frame serves all
    further target frames. Drop path rises linearly with depth, from 0.01 to `drop_path`.
    Source: Tan et al. 2023, arXiv:2206.12126; frame: Tan et al. 2022, arXiv:2206.05099.

    Args: as in `Met2Net`.

    Raises:
        ValueError: if a size is below 1, there are fewer than 2 blocks, or the groups are wrong.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None = None,
        spatial_dim: int = 32,
        latent_dim: int = 256,
        num_blocks: int = 8,
        num_scales: int = 2,
        mlp_ratio: int = 8,
        drop_path: float = 0.1,
        down_sampling: bool = True,
    ) -> None:
        super().__init__()
        check_sizes(
            num_inputs=num_inputs, num_targets=num_targets, spatial_dim=spatial_dim,
            latent_dim=latent_dim, num_scales=num_scales, mlp_ratio=mlp_ratio,
        )  # fmt: skip
        if num_blocks < 2:
            raise ValueError(f"num_blocks is {num_blocks}; expected at least 2")
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        self.num_inputs, self.num_targets = num_inputs, num_targets
        self.factor = 2 ** (num_scales // 2) if down_sampling else 1
        self.encoder = encoder_layers(
            len(channel_labels(self.input_variables)),
            spatial_dim=spatial_dim,
            num_scales=num_scales,
            down_sampling=down_sampling,
        )
        widths = [num_inputs * spatial_dim] + [latent_dim] * (num_blocks - 1)
        following = [latent_dim] * (num_blocks - 1) + [num_targets * spatial_dim]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                TauBlock(width, mlp_ratio=mlp_ratio, drop_path=rate),
                # Also where both widths are equal at an end of the chain; in between nothing.
                nn.Conv2d(width, after, 1) if i in (0, num_blocks - 1) else nn.Identity(),
            )
            for i, (width, after, rate) in enumerate(
                zip(widths, following, _drop_path_rates(drop_path, num_blocks), strict=True)
            )
        )
        self.decoder = decoder_layers(
            len(channel_labels(self.variables)),
            spatial_dim=spatial_dim,
            num_scales=num_scales,
            down_sampling=down_sampling,
        )

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c2 h w"]:
        """Forecast normalized frames."""
        return self._run(inputs)[0]

    @property
    def trace(self) -> Callable[[Tensor], dict[str, Tensor]]:
        """Give every layer's representation, as `Met2Net.trace`.

        Exists only for a network of one variable: with several, their representations cannot
        be told apart (`PerVariable` compares variables).
        """
        if len(self.variables) > 1:
            raise AttributeError(f"TAU over {len(self.variables)} variables has no trace")
        return self._trace

    def _trace(self, inputs: Float[Tensor, "b t c h w"]) -> dict[str, Float[Tensor, "b 1 _"]]:
        """Run as inference does and keep every layer's output."""
        with evaluation_mode(self):
            layers = self._run(inputs)[1]
        return {
            name: rearrange(x, "(b t) d h w -> b 1 (t d h w)", b=len(inputs))
            for name, x in layers.items()
        }

    def _run(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the forecast and the output of every layer."""
        num_channels = len(channel_labels(self.input_variables))
        check_frames(inputs, num_frames=self.num_inputs, num_channels=num_channels)
        layers: dict[str, Tensor] = {}
        hidden = rearrange(inputs, "b t c h w -> (b t) c h w")
        hidden = pad_to_multiple(hidden, self.factor)
        for i, layer in enumerate(self.encoder):
            hidden = layers[f"encoder.{i}"] = layer(hidden)  # (B*T, D, h, w)
        skip = self._skip(layers["encoder.0"])
        hidden = rearrange(hidden, "(b t) d h w -> b (t d) h w", t=self.num_inputs)
        for i, block in enumerate(self.blocks):
            hidden = layers[f"translator.{i}"] = block(hidden)
        hidden = rearrange(hidden, "b (t d) h w -> (b t) d h w", t=self.num_targets)
        *decoder, readout = self.decoder
        for i, layer in enumerate(decoder):
            is_last = i == len(decoder) - 1
            hidden = layers[f"decoder.{i}"] = layer(hidden + skip if is_last else hidden)
        fields = readout(hidden)[:, :, : inputs.shape[-2], : inputs.shape[-1]]
        return rearrange(fields, "(b t) c h w -> b t c h w", t=self.num_targets), layers

    def _skip(self, first: Tensor) -> Tensor:
        """Match the encoder's first layer to the target frames."""
        frames = rearrange(first, "(b t) d h w -> b t d h w", t=self.num_inputs)
        frames = frames[:, -self.num_targets :]
        missing = self.num_targets - frames.shape[1]
        if missing:
            frames = torch.cat([frames, frames[:, -1:].expand(-1, missing, -1, -1, -1)], dim=1)
        return rearrange(frames, "b t d h w -> (b t) d h w")


def _drop_path_rates(drop_path: float, num_blocks: int) -> list[float]:
    """Give a rate a block, rising linearly from 0.01 (or less) to `drop_path`."""
    first = min(0.01, drop_path)
    return [first + (drop_path - first) * i / (num_blocks - 1) for i in range(num_blocks)]
