"""ConvLSTM: a stack of LSTM cells whose products are convolutions."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.baselines.recurrent import RecurrentForecaster, State, same_convolution
from met2net.models.checks import check_sizes
from met2net.models.padding import close_circle

__all__ = ["ConvLSTM"]


class ConvLSTM(RecurrentForecaster):
    """Forecast frame by frame with a stack of convolutional LSTM cells.

    The last cell's hidden state gives the next frame by a 1x1 convolution; cells have no
    peepholes, no biases and no normalization, as in the published comparison.
    Source: Shi et al. 2015, arXiv:1506.04214; sizes: Tan et al. 2023, arXiv:2306.11249.

    The published count, 14.98 M at 1 channel and the default sizes, is not the count of the
    weights that work: 11,520,512 = 25 * 4 * 128 * (4 + 7 * 128) of the gates + 128 * 4 of the
    last layer. The released cell declares, and its forward never uses, two more convolutions
    of both states, 5x5 and 1x1, each 2 * 128 -> 128: (25 + 1) * 256 * 128 * 4 cells =
    3,407,872, together 14,928,384. (With two channels, as for wind: 14,980,096.) They are left
    out here.

    Args:
        variables: as in `Met2Net`.
        num_inputs: as in `Met2Net`.
        num_targets: as in `Met2Net`.
        input_variables: as in `Met2Net`.
        hidden_dim: channels of each layer's states.
        num_layers: cells.
        kernel_size: of the gates' convolutions, odd.
        patch_size: points of a patch's side.
        periodic_longitude: as in `Met2Net`.

    Raises:
        ValueError: if a size is below 1, the kernel size even, or the groups are wrong.
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
        check_sizes(hidden_dim=hidden_dim, num_layers=num_layers)
        self.hidden_dim = hidden_dim
        widths = [self.frame_dim] + [hidden_dim] * (num_layers - 1)
        self.cells = nn.ModuleList(
            _Cell(width, hidden_dim, kernel_size=kernel_size) for width in widths
        )
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
        return {"hidden": [zero] * len(self.cells), "cell": [zero] * len(self.cells)}

    def step(
        self, patches: Float[Tensor, "b p h w"], state: State
    ) -> tuple[Float[Tensor, "b p2 h w"], State]:
        """Pass a frame up the stack."""
        new: State = {"hidden": [], "cell": []}
        seen = patches
        for cell, hidden, memory in zip(self.cells, state["hidden"], state["cell"], strict=True):
            seen, memory_now = cell(seen, hidden, memory)
            new["hidden"].append(seen)
            new["cell"].append(memory_now)
        return self.readout(seen), new


class _Cell(nn.Module):
    """One convolutional LSTM cell; one convolution gives all gates from frame and state."""

    def __init__(self, in_dim: int, hidden_dim: int, *, kernel_size: int) -> None:
        super().__init__()
        self.gates = same_convolution(in_dim + hidden_dim, 4 * hidden_dim, kernel_size=kernel_size)

    def forward(self, seen: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Give the new hidden state and the new memory."""
        gates = self.gates(torch.cat([seen, hidden], dim=1))
        enter, forget, content, leave = gates.chunk(4, dim=1)
        new_memory = forget.sigmoid() * memory + enter.sigmoid() * content.tanh()
        return leave.sigmoid() * new_memory.tanh(), new_memory
