"""PredRNN++: causal LSTM cells and a gradient highway."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.baselines.recurrent import RecurrentForecaster, State, same_convolution
from met2net.models.checks import check_sizes
from met2net.models.padding import close_circle

__all__ = ["PredRNNpp"]

_FORGET_BIAS = 1.0  # memories are kept at first
_HIGHWAY_WEIGHT = 1e-3  # largest initial weight of the highway, as published


class PredRNNpp(RecurrentForecaster):
    """Forecast frame by frame with causal LSTM cells, a highway after the first.

    In a cell the climbing memory (see `PredRNN`) is updated after and from the cell's own; the
    highway carries the first layer's hidden state from frame to frame past all cells.
    Source: Wang et al. 2018, arXiv:1804.06300; sizes: Tan et al. 2023, arXiv:2306.11249.

    The published count is 38.31 M at 1 channel and the default sizes. 35,037,184 weights work;
    the released cell declares, and its forward never uses, a 5x5 convolution 2 * 128 -> 128:
    25 * 256 * 128 * 4 cells = 3,276,800, together 38,313,984. It is left out here.

    Args: as in `ConvLSTM`; `num_layers` is at least 2.

    Raises:
        ValueError: as `ConvLSTM`, or if there are fewer than 2 layers.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None = None,
        hidden_dim: int = 128,
        num_layers: int = 4,
        kernel_size: int = 5,
        patch_size: int = 2,
        periodic_longitude: bool = False,
    ) -> None:
        super().__init__(
            variables=variables, num_inputs=num_inputs, num_targets=num_targets,
            input_variables=input_variables, patch_size=patch_size, grid_multiple=patch_size,
            periodic_longitude=periodic_longitude,
        )  # fmt: skip
        check_sizes(hidden_dim=hidden_dim)
        if num_layers < 2:
            raise ValueError(f"num_layers is {num_layers}; expected at least 2")
        self.hidden_dim = hidden_dim
        widths = [self.frame_dim] + [hidden_dim] * (num_layers - 1)
        self.cells = nn.ModuleList(
            _Cell(width, hidden_dim, kernel_size=kernel_size) for width in widths
        )
        self.highway = _Highway(hidden_dim, kernel_size=kernel_size)
        self.readout = nn.Conv2d(hidden_dim, self.forecast_dim, 1, bias=False)
        if periodic_longitude:
            close_circle(self)

    @property
    def output_layers(self) -> list[nn.Module]:
        """The layers whose outputs are the forecast (`met2net.models.output_layers`)."""
        return [self.readout]

    def initial_state(self, patches: Float[Tensor, "b p h w"]) -> State:
        """Start every state from zero."""
        zero = patches.new_zeros(len(patches), self.hidden_dim, *patches.shape[-2:])
        states = [zero] * len(self.cells)
        return {"hidden": states, "cell": states, "climbing": [zero], "highway": [zero]}

    def step(
        self, patches: Float[Tensor, "b p h w"], state: State
    ) -> tuple[Float[Tensor, "b p2 h w"], State]:
        """Pass a frame up the stack, after its first layer over the highway."""
        new: State = {"hidden": [], "cell": []}
        seen, (climbing,), (passing,) = patches, state["climbing"], state["highway"]
        for i, cell in enumerate(self.cells):
            seen, memory, climbing = cell(seen, state["hidden"][i], state["cell"][i], climbing)
            new["hidden"].append(seen)
            new["cell"].append(memory)
            if i == 0:
                seen = passing = self.highway(seen, passing)
        return self.readout(seen), {**new, "climbing": [climbing], "highway": [passing]}


class _Cell(nn.Module):
    """One causal LSTM cell: its own memory first, then from it the climbing one."""

    def __init__(self, in_dim: int, hidden_dim: int, *, kernel_size: int) -> None:
        super().__init__()
        self.from_seen = same_convolution(in_dim, 7 * hidden_dim, kernel_size=kernel_size)
        self.from_hidden = same_convolution(hidden_dim, 4 * hidden_dim, kernel_size=kernel_size)
        self.from_memory = same_convolution(hidden_dim, 3 * hidden_dim, kernel_size=kernel_size)
        self.from_climbing = same_convolution(hidden_dim, 3 * hidden_dim, kernel_size=kernel_size)
        self.from_new_memory = same_convolution(hidden_dim, 4 * hidden_dim, kernel_size=kernel_size)
        self.from_new_climbing = same_convolution(hidden_dim, hidden_dim, kernel_size=kernel_size)
        self.merge = nn.Conv2d(2 * hidden_dim, hidden_dim, 1, bias=False)

    def forward(
        self, seen: Tensor, hidden: Tensor, memory: Tensor, climbing: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Give the new hidden state, memory and climbing memory."""
        enter_x, forget_x, content_x, enter_x2, forget_x2, content_x2, leave_x = self.from_seen(
            seen
        ).chunk(7, dim=1)
        enter_h, forget_h, content_h, leave_h = self.from_hidden(hidden).chunk(4, dim=1)
        enter_c, forget_c, content_c = self.from_memory(memory).chunk(3, dim=1)
        enter_m, forget_m, carried = self.from_climbing(climbing).chunk(3, dim=1)

        enter = (enter_x + enter_h + enter_c).sigmoid()
        forget = (forget_x + forget_h + forget_c + _FORGET_BIAS).sigmoid()
        new_memory = forget * memory + enter * (content_x + content_h + content_c).tanh()

        enter_n, content_n, forget_n, leave_n = self.from_new_memory(new_memory).chunk(4, dim=1)
        enter_2 = (enter_x2 + enter_m + enter_n).sigmoid()
        forget_2 = (forget_x2 + forget_m + forget_n + _FORGET_BIAS).sigmoid()
        new_climbing = forget_2 * carried.tanh() + enter_2 * (content_x2 + content_n).tanh()

        # A tanh here, not a sigmoid: equation 4 of the paper.
        leave = (leave_x + leave_h + leave_n + self.from_new_climbing(new_climbing)).tanh()
        both = torch.cat([new_memory, new_climbing], dim=1)
        return leave * self.merge(both).tanh(), new_memory, new_climbing


class _Highway(nn.Module):
    """The gradient highway unit: a gated path over time with one step a frame."""

    def __init__(self, hidden_dim: int, *, kernel_size: int) -> None:
        super().__init__()
        self.from_seen = same_convolution(hidden_dim, 2 * hidden_dim, kernel_size=kernel_size)
        self.from_passing = same_convolution(hidden_dim, 2 * hidden_dim, kernel_size=kernel_size)
        for convolution in (self.from_seen, self.from_passing):
            nn.init.uniform_(convolution.weight, -_HIGHWAY_WEIGHT, _HIGHWAY_WEIGHT)

    def forward(self, seen: Tensor, passing: Tensor) -> Tensor:
        """Mix the frame's state into what passes."""
        content, gate = (self.from_seen(seen) + self.from_passing(passing)).chunk(2, dim=1)
        switch = gate.sigmoid()
        mixed: Tensor = switch * content.tanh() + (1 - switch) * passing
        return mixed
