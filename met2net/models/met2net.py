"""Met2Net: an encoder and decoder a variable, a translator with attention between variables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.data.channel_groups import Variables, channel_labels, check_variables
from met2net.models.autoencoder import Decoders, Encoders
from met2net.models.channels import check_input_variables
from met2net.models.checks import check_frames, check_sizes
from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.padding import close_circle
from met2net.models.translator import Translator, TranslatorBlock

__all__ = ["Autoencoders", "Met2Net"]

Autoencoders = Literal["per_variable", "shared", "joint"]


class Met2Net(nn.Module):
    """Forecast `num_targets` frames of all variables from `num_inputs` frames.

    Inference is encoders -> translator -> decoders. Source: Li et al. 2025, arXiv:2507.17189;
    sizes in its notation: spatial_dim = hid_S, latent_dim = hid_T, num_blocks = N_T,
    num_scales = N_S.

    Args:
        variables: groups of channels in channel order.
        num_inputs: input frames T.
        num_targets: target frames T', any number.
        input_variables: channels that encoders see, where they differ from those that decoders
            give (same groups in the same order); None: the same.
        num_scales: layers of an encoder and of a decoder; every second one resamples by 2.
        spatiotemporal_block: the translator's block in space and time: tau, gsta, convnext,
            hornet, moganet, poolformer or incepu (the paper's Table 9); or a block of your own,
            in settings a node with `_partial_: true` (`blocks.spatiotemporal`).
        mlp_ratio: width of that block's MLP over latent_dim; None: 4, and for incepu, which
            has no MLP, the only choice.
        down_sampling: False keeps the grid as it is, with the same layers at stride 1, for
            grids of a few points.
        autoencoders: `per_variable`; `shared`: one encoder and one decoder with the same weights
            for all variables, which then have equally many channels; `joint`: one of each that
            sees all channels at once, so that the translator has a single variable (the
            baseline of the paper's Table 8).
        variable_attention: False leaves attention between variables out (Table 8).
        periodic_longitude: True where the grid goes round the globe: convolutions then see
            across the edge between the last and the first longitude.
        space_time_identities: how often the spatio-temporal block's input is added to its output,
            in which it is contained already: 2 as in the released network; 1 as in networks of
            this project's checkpoints before format 3, whose weights hold for that alone.

    Raises:
        ValueError: if a size is below 1 or does not fit another, the groups are wrong, or there
            are neither one nor two identities.
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
        num_heads: int = 8,
        spatiotemporal_block: str | Callable[..., nn.Module] = "tau",
        mlp_ratio: int | None = None,
        drop_path: float = 0.1,
        down_sampling: bool = True,
        autoencoders: Autoencoders = "per_variable",
        variable_attention: bool = True,
        periodic_longitude: bool = False,
        space_time_identities: int = 2,
    ) -> None:
        super().__init__()
        check_sizes(
            num_inputs=num_inputs, num_targets=num_targets, spatial_dim=spatial_dim,
            latent_dim=latent_dim, num_blocks=num_blocks, num_scales=num_scales,
        )  # fmt: skip
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        if autoencoders not in get_args(Autoencoders):
            raise ValueError(
                f"autoencoders is {autoencoders!r}; expected {' or '.join(get_args(Autoencoders))}"
            )
        if space_time_identities not in (1, 2):
            raise ValueError(f"space_time_identities is {space_time_identities}; expected 1 or 2")
        self.num_inputs, self.num_targets = num_inputs, num_targets
        self.has_attention = variable_attention
        self.encoders = Encoders(
            _sizes(self.input_variables, is_joint=autoencoders == "joint"),
            spatial_dim=spatial_dim,
            num_scales=num_scales,
            down_sampling=down_sampling,
            is_shared=autoencoders == "shared",
            periodic_longitude=periodic_longitude,
        )
        self.translator = Translator(
            in_channels=num_inputs * spatial_dim,
            out_channels=num_targets * spatial_dim,
            latent_dim=latent_dim,
            num_blocks=num_blocks,
            num_heads=num_heads if variable_attention else None,
            spatiotemporal_block=spatiotemporal_block,
            mlp_ratio=mlp_ratio,
            drop_path=drop_path,
            space_time_identities=space_time_identities,
        )
        self.decoders = Decoders(
            _sizes(self.variables, is_joint=autoencoders == "joint"),
            spatial_dim=spatial_dim,
            num_scales=num_scales,
            down_sampling=down_sampling,
            is_shared=autoencoders == "shared",
        )
        if periodic_longitude:
            close_circle(self)

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c2 h w"]:
        """Forecast normalized frames."""
        self._check(inputs)
        latent = self.encoders(inputs)  # (B, V, T*D, h, w)
        latent = self.translator(latent)  # (B, V, T'*D, h, w)
        forecast: Tensor = self.decoders(latent, grid=(inputs.shape[-2], inputs.shape[-1]))
        return forecast

    @property
    def output_layers(self) -> list[nn.Module]:
        """The layers whose outputs are the forecast (`met2net.models.output_layers`)."""
        return [decoder[-1] for decoder in self.decoders.variables]  # type: ignore[index]

    def trace(self, inputs: Float[Tensor, "b t c h w"]) -> dict[str, Float[Tensor, "b v _"]]:
        """Give every layer's representation of every variable, flattened a sample.

        Runs as inference does and changes neither weights, buffers nor modes.

        Returns:
            Layer name (`encoder.0` ..., `translator.0` ..., `decoder.0` ...) -> representation,
            in the order in which the layers run.
        """
        self._check(inputs)
        with evaluation_mode(self):
            encoded = self.encoders.layer_outputs(inputs)
            layers = {f"encoder.{i}": output for i, output in enumerate(encoded)}
            hidden = self.translator.embed(encoded[-1])
            for i, block in enumerate(self.translator.blocks):
                hidden = block(hidden)
                layers[f"translator.{i}"] = hidden
            decoded = self.decoders.layer_outputs(self.translator(encoded[-1]))
            layers |= {f"decoder.{i}": output for i, output in enumerate(decoded)}
            return {k: rearrange(x, "b v d h w -> b v (d h w)") for k, x in layers.items()}

    @property
    def attention_maps(self) -> Callable[[Tensor], Float[Tensor, "block b head v v"]]:
        """Give a function: inputs -> attention between variables in every block.

        Rows are queries and sum to 1. It runs as inference does and changes neither weights,
        buffers nor modes. A network without attention lacks it.
        """
        if not self.has_attention:
            raise AttributeError("attention_maps: this Met2Net has no variable attention")
        return self._attention_maps

    def _attention_maps(
        self, inputs: Float[Tensor, "b t c h w"]
    ) -> Float[Tensor, "block b head v v"]:
        """Run inference up to each attention."""
        self._check(inputs)
        with evaluation_mode(self):
            hidden = self.translator.embed(self.encoders(inputs))
            maps = []
            for block in self.translator.blocks:
                assert isinstance(block, TranslatorBlock) and block.attention is not None
                maps.append(block.attention.weights(hidden))
                hidden = block(hidden)
            return torch.stack(maps)

    def _check(self, inputs: Tensor) -> None:
        """Refuse inputs of another shape than the network was built for."""
        num_channels = len(channel_labels(self.input_variables))
        check_frames(inputs, num_frames=self.num_inputs, num_channels=num_channels)


def _sizes(variables: Variables, *, is_joint: bool) -> list[int]:
    """Give the channels that every encoder, or decoder, has to do with."""
    sizes = [len(labels) for labels in variables.values()]
    return [sum(sizes)] if is_joint else sizes
