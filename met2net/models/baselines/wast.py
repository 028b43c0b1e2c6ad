"""WaST: a wavelet encoder and decoder around blocks that see near and far."""

from collections.abc import Callable, Mapping, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.models.blocks.frequency import FrequencyBlock
from met2net.models.blocks.wavelets import haar_bands, haar_merge
from met2net.models.channels import check_input_variables
from met2net.models.checks import check_frames, check_sizes
from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.padding import close_circle, pad_to_multiple

__all__ = ["WaST"]

_AXES = (-3, -2, -1)  # time, latitude, longitude
_OUTER_KERNEL, _INNER_KERNEL = 51, 21


class WaST(nn.Module):
    """Forecast all channels at once, halving the grid by a 3-D wavelet transform in between.

    Blocks on the full grid, a Haar transform in time and space, blocks on half the grid, the
    inverse transform, blocks on the full grid. Bands that are smooth in space, of slow and of
    fast change in time, go on, one after the other on the time axis; the six others skip to the
    inverse transform. The transformed input frames join after the down-sampling, the first
    blocks' output before the last blocks. Blocks see time stacked into channels. Drop path
    rises linearly from 0 over all blocks.
    Source: Nie et al. 2024 (AAAI), doi:10.1609/aaai.v38i5.28230; sizes: the authors'
    configuration for WeatherBench in OpenSTL.

    14,457,021 weights at 1 channel, 12 frames and the default sizes (published: 14.46 M).
    Released code takes the transform's last axis, longitude, for time where it picks the bands,
    and scales both halves of a block by the same weights (the other 1,920 are never used); here
    bands and scales are as described. Two choices of ours: an odd number of input frames
    is made even by repeating the first; where the number of frames then differs from T', a
    1x1 convolution over stacked frames follows the last block.

    Args:
        variables: as in `Met2Net`.
        num_inputs: as in `Met2Net`.
        num_targets: as in `Met2Net`.
        input_variables: as in `Met2Net`.
        encoder_dim: channels of a frame on the full grid; twice as many on half of it.
        num_blocks: blocks before, on and after half the grid.
        mlp_ratio: width of the blocks' second half.
        drop_path: rate of the last block.
        periodic_longitude: as in `Met2Net`.

    Raises:
        ValueError: if a size is below 1, there are not three numbers of blocks, or the groups
            are wrong.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None = None,
        encoder_dim: int = 20,
        num_blocks: Sequence[int] = (2, 2, 2),
        mlp_ratio: int = 4,
        drop_path: float = 0.25,
        periodic_longitude: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(
            num_inputs=num_inputs, num_targets=num_targets, encoder_dim=encoder_dim,
            mlp_ratio=mlp_ratio,
        )  # fmt: skip
        if len(num_blocks) != 3 or min(num_blocks) < 1:
            raise ValueError(f"num_blocks is {tuple(num_blocks)}; expected three numbers from 1")
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        self.num_inputs, self.num_targets = num_inputs, num_targets
        self.num_seen = len(channel_labels(self.input_variables))
        frames = self.num_frames = num_inputs + num_inputs % 2
        dim = encoder_dim
        rates = iter(torch.linspace(0, drop_path, sum(num_blocks), device="cpu").tolist())
        self.encoder = _convolution(self.num_seen, dim)
        self.first, self.inner, self.last = (
            nn.ModuleList(
                FrequencyBlock(
                    width, mlp_ratio=mlp_ratio, kernel_size=kernel_size, drop_path=next(rates)
                )
                for _ in range(count)
            )
            for width, kernel_size, count in zip(
                (dim * frames, 2 * dim * frames, dim * frames),
                (_OUTER_KERNEL, _INNER_KERNEL, _OUTER_KERNEL),
                num_blocks,
                strict=True,
            )
        )
        self.down_in, self.down_out = _convolution(dim, dim), _convolution(dim, 2 * dim)
        self.embedding = nn.Conv3d(4 * self.num_seen, 2 * dim, 3, padding=1)
        self.up_smooth = _convolution(2 * dim, dim)
        self.up_fine = _convolution(6 * dim, 6 * dim, groups=6)
        self.join = nn.Conv2d(2 * dim * frames, dim * frames, 3, padding=1)
        same = frames == num_targets
        self.to_targets = nn.Identity() if same else nn.Conv2d(dim * frames, dim * num_targets, 1)
        num_forecast = len(channel_labels(self.variables))
        self.readout = nn.Sequential(
            nn.BatchNorm3d(dim), nn.GELU(), nn.Conv3d(dim, num_forecast, 3, padding=1)
        )
        self.periodic_longitude = periodic_longitude
        if periodic_longitude:
            close_circle(self)

    @property
    def output_layers(self) -> list[nn.Module]:
        """The layers whose outputs are the forecast (`met2net.models.output_layers`)."""
        return [self.readout[-1]]

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c2 h w"]:
        """Forecast normalized frames."""
        return self._run(inputs)[0]

    @property
    def trace(self) -> Callable[[Tensor], dict[str, Tensor]]:
        """Give every layer's representation, as `Met2Net.trace`; only of one variable."""
        if len(self.variables) > 1:
            raise AttributeError(f"WaST over {len(self.variables)} variables has no trace")
        return self._trace

    def _trace(self, inputs: Float[Tensor, "b t c h w"]) -> dict[str, Float[Tensor, "b 1 _"]]:
        """Run as inference does and keep every layer's output."""
        with evaluation_mode(self):
            layers = self._run(inputs)[1]
        return {name: x.flatten(start_dim=1)[:, None] for name, x in layers.items()}

    def _run(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the forecast and the output of every layer."""
        check_frames(inputs, num_frames=self.num_inputs, num_channels=self.num_seen)
        layers: dict[str, Tensor] = {}
        frames = self._even_frames(inputs)  # (B, C, T, H, W), T H W even
        hidden = layers["encoder.0"] = self.encoder(frames)
        hidden = _stack(hidden)
        for block in self.first:
            hidden = layers[f"translator.{len(layers) - 1}"] = block(hidden)
        skip = hidden

        smooth, fine = _smooth_and_fine(self.down_in(self._unstack(hidden)))
        known = torch.cat(_in_time_order(haar_bands(frames, axes=_AXES)), dim=1)
        hidden = _stack(self.down_out(smooth) + self.embedding(known))
        for block in self.inner:
            hidden = layers[f"translator.{len(layers) - 1}"] = block(hidden)

        slow, fast = self.up_smooth(self._unstack(hidden)).chunk(2, dim=2)
        others = self.up_fine(fine).chunk(6, dim=1)
        bands = [slow, *others[:3], fast, *others[3:]]
        hidden = self.join(torch.cat([_stack(haar_merge(bands, axes=_AXES)), skip], dim=1))
        for block in self.last:
            hidden = layers[f"translator.{len(layers) - 1}"] = block(hidden)

        hidden = rearrange(self.to_targets(hidden), "b (c t) h w -> b c t h w", t=self.num_targets)
        fields = self.readout(hidden)[..., : inputs.shape[-2], : inputs.shape[-1]]
        return rearrange(fields, "b c t h w -> b t c h w"), layers

    def _even_frames(self, inputs: Tensor) -> Tensor:
        """Make frames, latitudes and longitudes even in number; put channels before time."""
        first = inputs[:, : self.num_frames - self.num_inputs]
        frames = rearrange(torch.cat([first, inputs], dim=1), "b t c h w -> (b t) c h w")
        padded = pad_to_multiple(frames, 2, periodic_longitude=self.periodic_longitude)
        return rearrange(padded, "(b t) c h w -> b c t h w", t=self.num_frames)

    def _unstack(self, fields: Tensor) -> Tensor:
        """Take time out of the channels."""
        return rearrange(fields, "b (c t) h w -> b c t h w", t=self.num_frames)


def _stack(fields: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b ct h w"]:
    """Stack time into channels."""
    return rearrange(fields, "b c t h w -> b (c t) h w")


def _smooth_and_fine(fields: Float[Tensor, "b c t h w"]) -> tuple[Tensor, Tensor]:
    """Split into what is smooth in space, slow then fast in time, and the six other bands."""
    bands = haar_bands(fields, axes=_AXES)
    smooth = torch.cat([bands[0], bands[4]], dim=2)
    return smooth, torch.cat([*bands[1:4], *bands[5:]], dim=1)


def _in_time_order(bands: Sequence[Tensor]) -> list[Tensor]:
    """Join bands LL, LH, HL, HH in space: the slow half, then the fast one, on the time axis."""
    return [torch.cat([slow, fast], dim=2) for slow, fast in zip(bands[:4], bands[4:], strict=True)]


def _convolution(in_dim: int, out_dim: int, *, groups: int = 1) -> nn.Sequential:
    """Build a 3x3x3 convolution, batch normalization and GELU."""
    return nn.Sequential(
        nn.Conv3d(in_dim, out_dim, 3, padding=1, groups=groups), nn.BatchNorm3d(out_dim), nn.GELU()
    )
