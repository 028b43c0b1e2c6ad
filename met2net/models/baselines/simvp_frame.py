"""The frame of SimVP and its kin: one encoder, a translator of stacked frames, one decoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.models.autoencoder import decoder_layers, encoder_layers
from met2net.models.blocks.memory_order import channels_last
from met2net.models.channels import check_input_variables
from met2net.models.checks import check_frames, check_sizes
from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.padding import close_circle, pad_to_multiple

__all__ = ["SimVPFrame"]


class SimVPFrame(nn.Module, ABC):
    """Forecast all channels at once; time is stacked into channels between encoder and decoder.

    The encoder's first layer is added to the input of the decoder's last one, frame by frame.
    Where T' < T that skip takes the last T' input frames; where T' > T the last input frame
    serves all further target frames. A subclass says what stands in between: `blocks`, and
    in `_translate` how they run.
    Source: Gao et al. 2022, arXiv:2206.05099 (SimVP: Simpler yet Better Video Prediction).

    Args:
        build_blocks: makes the blocks in between from the channels of the stacked input frames
            (T * spatial_dim) and of the target frames (T' * spatial_dim).

    The other arguments are those of `Met2Net`.

    Raises:
        ValueError: if a size is below 1 or the groups are wrong.
    """

    blocks: nn.Module

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None,
        spatial_dim: int,
        num_scales: int,
        down_sampling: bool,
        build_blocks: Callable[[int, int], nn.Module],
        periodic_longitude: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(
            num_inputs=num_inputs, num_targets=num_targets, spatial_dim=spatial_dim,
            num_scales=num_scales,
        )  # fmt: skip
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
        self.blocks = build_blocks(num_inputs * spatial_dim, num_targets * spatial_dim)
        self.decoder = decoder_layers(
            len(channel_labels(self.variables)),
            spatial_dim=spatial_dim,
            num_scales=num_scales,
            down_sampling=down_sampling,
        )
        self.periodic_longitude = periodic_longitude
        if periodic_longitude:
            close_circle(self)

    @property
    def output_layers(self) -> list[nn.Module]:
        """The layers whose outputs are the forecast (`met2net.models.output_layers`)."""
        return [self.decoder[-1]]

    @abstractmethod
    def _translate(self, latent: Float[Tensor, "b td h w"]) -> list[Float[Tensor, "b _ h w"]]:
        """Give the output of every block in order; the last is the latent of the targets."""

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
            raise AttributeError(
                f"{type(self).__name__} over {len(self.variables)} variables has no trace"
            )
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
        hidden = pad_to_multiple(hidden, self.factor, periodic_longitude=self.periodic_longitude)
        if hidden.device.type == "cpu":  # where convolutions are faster so
            hidden = channels_last(hidden)
        for i, layer in enumerate(self.encoder):
            hidden = layers[f"encoder.{i}"] = layer(hidden)  # (B*T, D, h, w)
        skip = self._skip(layers["encoder.0"])
        hidden = rearrange(hidden, "(b t) d h w -> b (t d) h w", t=self.num_inputs)
        translated = self._translate(hidden)
        layers |= {f"translator.{i}": output for i, output in enumerate(translated)}
        hidden = rearrange(translated[-1], "b (t d) h w -> (b t) d h w", t=self.num_targets)
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
