"""MAU: motion-aware units that attend to their own past."""

import math
from collections.abc import Mapping, Sequence

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.baselines.recurrent import RecurrentForecaster, State
from met2net.models.blocks.group_norm import GroupNorm
from met2net.models.checks import check_sizes
from met2net.models.padding import close_circle

__all__ = ["MAU"]

_SLOPE = 0.2  # of the leaky ReLUs


class MAU(RecurrentForecaster):
    """Forecast frame by frame with a stack of motion-aware units on a coarser grid.

    Every frame is encoded (a 1x1 convolution and stride-2 convolutions), passes the units and
    is decoded. A unit keeps a temporal state; it attends to its states of the last `history`
    frames where what it saw then is like what it sees now. Without the recall of the encoder's
    features, as in the published weather comparison.
    Source: Chang et al. 2021 (NeurIPS), "MAU: A Motion-Aware Unit for Video Prediction and
    Beyond"; sizes: Tan et al. 2023, arXiv:2306.11249.

    The published count, 5.46 M at 1 channel on 32 x 64 points, holds layer normalizations with
    a weight and a bias for every channel and point: 4 units * 2 * 512 channels * 16 * 32 points
    = 2,097,152 of 5,458,308 (with 8,259 that are declared and never used, and left out here:
    5,450,049). They tie the network to one grid; with `grid` they are built like that, without
    it each channel has one weight and one bias: 3,356,993.

    Args:
        variables: as in `Met2Net`.
        num_inputs: as in `Met2Net`.
        num_targets: as in `Met2Net`.
        input_variables: as in `Met2Net`.
        hidden_dim: channels of encoder, units and decoder.
        num_layers: units.
        kernel_size: of the units' convolutions, odd.
        patch_size: points of a patch's side.
        num_scales: halvings of the grid (the released code's sr size is 2 ** num_scales).
        history: past states that a unit attends to (tau).
        grid: latitudes and longitudes that the network is for, with normalization weights a
            point; None: any grid.
        periodic_longitude: as in `Met2Net`.

    Raises:
        ValueError: if a size is below 1, the kernel size even, or the groups are wrong; from
            `forward`, if the grid is another one.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None = None,
        hidden_dim: int = 64,
        num_layers: int = 4,
        kernel_size: int = 5,
        patch_size: int = 1,
        num_scales: int = 1,
        history: int = 5,
        grid: Sequence[int] | None = None,
        periodic_longitude: bool = False,
    ) -> None:
        if num_scales < 0:
            raise ValueError(f"num_scales is {num_scales}; expected at least 0")
        factor = patch_size * 2**num_scales
        super().__init__(
            variables=variables, num_inputs=num_inputs, num_targets=num_targets,
            input_variables=input_variables, patch_size=patch_size, grid_multiple=factor,
            periodic_longitude=periodic_longitude,
        )  # fmt: skip
        check_sizes(hidden_dim=hidden_dim, num_layers=num_layers, history=history)
        self.hidden_dim, self.history = hidden_dim, history
        self.factor = 2**num_scales
        self.coarse_grid = None if grid is None else _coarse_grid(grid, factor=factor)
        self.encoder = nn.Sequential(
            nn.Conv2d(self.frame_dim, hidden_dim, 1),
            nn.LeakyReLU(_SLOPE),
            *(_halving(hidden_dim) for _ in range(num_scales)),
        )
        self.units = nn.ModuleList(
            _Unit(hidden_dim, kernel_size=kernel_size, grid=self.coarse_grid)
            for _ in range(num_layers)
        )
        self.decoder = nn.Sequential(
            *(_doubling(hidden_dim, is_last=i == num_scales - 1) for i in range(num_scales)),
            nn.Conv2d(hidden_dim, self.forecast_dim, 1),
        )
        if periodic_longitude:
            close_circle(self)

    @property
    def output_layers(self) -> list[nn.Module]:
        """The layers whose outputs are the forecast (`met2net.models.output_layers`)."""
        return [self.decoder[-1]]

    def initial_state(self, patches: Float[Tensor, "b p h w"]) -> State:
        """Start every state, and the past, from zero."""
        height, width = (size // self.factor for size in patches.shape[-2:])
        expected = self.coarse_grid
        if expected is not None and expected != (height, width):
            raise ValueError(
                f"the inputs' grid is {height} x {width} points inside the network; "
                f"expected {expected[0]} x {expected[1]}, as it was built for"
            )
        zero = patches.new_zeros(len(patches), self.hidden_dim, height, width)
        past = zero.expand(self.history, *zero.shape)
        count = len(self.units)
        return {
            "hidden": [zero] * count, "temporal": [zero] * count,
            "past_temporal": [past] * count, "past_seen": [past] * count,
        }  # fmt: skip

    def step(
        self, patches: Float[Tensor, "b p h w"], state: State
    ) -> tuple[Float[Tensor, "b p2 h w"], State]:
        """Encode a frame, pass it up the stack, decode."""
        new: State = {"hidden": [], "temporal": [], "past_temporal": [], "past_seen": []}
        seen = self.encoder(patches)
        for i, unit in enumerate(self.units):
            past_temporal, past_seen = state["past_temporal"][i], state["past_seen"][i]
            temporal, output = unit(state["temporal"][i], seen, past_temporal, past_seen)
            new["temporal"].append(temporal)
            new["past_temporal"].append(torch.cat([past_temporal[1:], temporal[None]]))
            new["past_seen"].append(torch.cat([past_seen[1:], seen[None]]))
            new["hidden"].append(output)
            seen = output
        return self.decoder(seen), new


class _Unit(nn.Module):
    """One motion-aware unit: attention over its past, then two gated mixtures."""

    def __init__(self, dim: int, *, kernel_size: int, grid: tuple[int, int] | None) -> None:
        super().__init__()
        self.query = _normalized(dim, dim, kernel_size=kernel_size, grid=grid)
        self.attention_gate = _normalized(dim, dim, kernel_size=kernel_size, grid=grid)
        self.from_temporal = _normalized(dim, 3 * dim, kernel_size=kernel_size, grid=grid)
        self.from_seen = _normalized(dim, 3 * dim, kernel_size=kernel_size, grid=grid)

    def forward(
        self,
        temporal: Float[Tensor, "b d h w"],
        seen: Float[Tensor, "b d h w"],
        past_temporal: Float[Tensor, "n b d h w"],
        past_seen: Float[Tensor, "n b d h w"],
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b d h w"]]:
        """Give the new temporal state and what the next unit sees."""
        # Divided before the product: the vectors are long, and half precision overflows early.
        query = self.query(seen) / math.sqrt(seen[0].numel())
        likeness = reduce(past_seen * query, "n b d h w -> n b 1 1 1", "sum")
        trend = (likeness.softmax(dim=0) * past_temporal).sum(dim=0)
        keep = self.attention_gate(temporal).sigmoid()
        motion = keep * temporal + (1 - keep) * trend

        gate_t, motion_t, motion_s = self.from_temporal(motion).chunk(3, dim=1)
        gate_s, look_t, look_s = self.from_seen(seen).chunk(3, dim=1)
        update_t, update_s = gate_t.sigmoid(), gate_s.sigmoid()
        new_temporal = update_t * motion_t + (1 - update_t) * look_t
        output = update_s * look_s + (1 - update_s) * motion_s
        return new_temporal, output


def _normalized(
    in_dim: int, out_dim: int, *, kernel_size: int, grid: tuple[int, int] | None
) -> nn.Sequential:
    """Build a convolution and a normalization over all channels and points."""
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size is {kernel_size}; expected an odd number")
    norm = GroupNorm(1, out_dim) if grid is None else nn.LayerNorm([out_dim, *grid])
    return nn.Sequential(nn.Conv2d(in_dim, out_dim, kernel_size, padding=kernel_size // 2), norm)


def _halving(dim: int) -> nn.Sequential:
    """Build a layer that halves the grid."""
    return nn.Sequential(nn.Conv2d(dim, dim, 3, stride=2, padding=1), nn.LeakyReLU(_SLOPE))


def _doubling(dim: int, *, is_last: bool) -> nn.Sequential:
    """Build a layer that doubles the grid."""
    convolution = nn.ConvTranspose2d(dim, dim, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(convolution, nn.Identity() if is_last else nn.LeakyReLU(_SLOPE))


def _coarse_grid(grid: Sequence[int], *, factor: int) -> tuple[int, int]:
    """Give the grid inside the network, padded."""
    if len(grid) != 2:
        raise ValueError(f"grid is {tuple(grid)}; expected two numbers, latitudes and longitudes")
    check_sizes(latitudes=grid[0], longitudes=grid[1])
    return -(-grid[0] // factor), -(-grid[1] // factor)
