"""PredRNN: LSTM cells with a second memory that climbs through the layers."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.baselines.recurrent import RecurrentForecaster, State, same_convolution
from met2net.models.checks import check_sizes
from met2net.models.padding import close_circle

__all__ = ["PredRNN"]

_FORGET_BIAS = 1.0  # memories are kept at first


class PredRNN(RecurrentForecaster):
    """Forecast frame by frame with a stack of spatio-temporal LSTM cells.

    Beside its own memory, every cell reads and writes one memory that goes up through the
    layers and from the top of one frame to the bottom of the next. 23,568,384 weights at
    1 channel and the default sizes (published: 23.57 M).
    Source: Wang et al. 2017 (NeurIPS), and 2021, arXiv:2103.09504, section 3, whose
    decoupling loss is not part of this model; sizes: Tan et al. 2023, arXiv:2306.11249.

    Args: as in `ConvLSTM`.

    Raises:
        ValueError: as `ConvLSTM`.
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
        states = [zero] * len(self.cells)
        return {"hidden": states, "cell": states, "climbing": [zero]}

    def step(
        self, patches: Float[Tensor, "b p h w"], state: State
    ) -> tuple[Float[Tensor, "b p2 h w"], State]:
        """Pass a frame, and the climbing memory, up the stack."""
        new: State = {"hidden": [], "cell": []}
        seen, (climbing,) = patches, state["climbing"]
        for cell, hidden, memory in zip(self.cells, state["hidden"], state["cell"], strict=True):
            seen, memory_now, climbing = cell(seen, hidden, memory, climbing)
            new["hidden"].append(seen)
            new["cell"].append(memory_now)
        return self.readout(seen), {**new, "climbing": [climbing]}


class _Cell(nn.Module):
    """One spatio-temporal LSTM cell."""

    def __init__(self, in_dim: int, hidden_dim: int, *, kernel_size: int) -> None:
        super().__init__()
        self.from_seen = same_convolution(in_dim, 7 * hidden_dim, kernel_size=kernel_size)
        self.from_hidden = same_convolution(hidden_dim, 4 * hidden_dim, kernel_size=kernel_size)
        self.from_climbing = same_convolution(hidden_dim, 3 * hidden_dim, kernel_size=kernel_size)
        self.leave = same_convolution(2 * hidden_dim, hidden_dim, kernel_size=kernel_size)
        self.merge = nn.Conv2d(2 * hidden_dim, hidden_dim, 1, bias=False)

    def forward(
        self, seen: Tensor, hidden: Tensor, memory: Tensor, climbing: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Give the new hidden state, memory and climbing memory."""
        *gates, enter_2, forget_2, content_2, leave_x = self.from_seen(seen).chunk(7, dim=1)
        *gates_h, leave_h = self.from_hidden(hidden).chunk(4, dim=1)
        new_memory = _update(memory, *(x + h for x, h in zip(gates, gates_h, strict=True)))
        gates_2 = zip(
            (enter_2, forget_2, content_2),
            self.from_climbing(climbing).chunk(3, dim=1),
            strict=True,
        )
        new_climbing = _update(climbing, *(x + m for x, m in gates_2))
        both = torch.cat([new_memory, new_climbing], dim=1)
        leave = (leave_x + leave_h + self.leave(both)).sigmoid()
        return leave * self.merge(both).tanh(), new_memory, new_climbing


def _update(memory: Tensor, enter: Tensor, forget: Tensor, content: Tensor) -> Tensor:
    """Forget a part of a memory and let new content in."""
    return (forget + _FORGET_BIAS).sigmoid() * memory + enter.sigmoid() * content.tanh()
