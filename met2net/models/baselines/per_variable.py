"""One independent forecaster a variable, trained and kept as one network."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.data.channel_groups import check_variables
from met2net.models.channels import check_input_variables
from met2net.models.output_layers import output_layers

__all__ = ["PerVariable"]


class PerVariable(nn.Module):
    """Forecast every variable from itself alone.

    Args:
        variables: groups of channels in channel order.
        forecaster: builds one variable's network from its `variables` and `input_variables`.
        input_variables: channels that networks see; None: the same.

    Raises:
        ValueError: if the groups are wrong.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        forecaster: Callable[..., nn.Module],
        input_variables: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        self.forecasters = nn.ModuleList(
            forecaster(
                variables={name: self.variables[name]},
                input_variables={name: self.input_variables[name]},
            )
            for name in self.variables
        )

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c2 h w"]:
        """Forecast normalized frames, a variable at a time."""
        parts = zip(self.forecasters, self._split(inputs), strict=True)
        return torch.cat([forecaster(frames) for forecaster, frames in parts], dim=2)

    @property
    def output_layers(self) -> list[nn.Module]:
        """The layers whose outputs are the forecast (`met2net.models.output_layers`)."""
        return [layer for forecaster in self.forecasters for layer in output_layers(forecaster)]

    @property
    def trace(self) -> Callable[[Tensor], dict[str, Tensor]]:
        """Give every layer's representation of every variable, as `Met2Net.trace`.

        Exists only where the forecasters have a trace.
        """
        if not all(hasattr(forecaster, "trace") for forecaster in self.forecasters):
            raise AttributeError("the forecasters of this PerVariable have no trace")
        return self._trace

    def _trace(self, inputs: Float[Tensor, "b t c h w"]) -> dict[str, Float[Tensor, "b v _"]]:
        """Lay the variables' own representations side by side."""
        traces: list[dict[str, Tensor]] = []
        for forecaster, frames in zip(self.forecasters, self._split(inputs), strict=True):
            trace: Any = forecaster.trace
            traces.append(trace(frames))
        return {name: torch.cat([trace[name] for trace in traces], dim=1) for name in traces[0]}

    def _split(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Cut the channel axis into variables."""
        sizes = [len(labels) for labels in self.input_variables.values()]
        if inputs.shape[2] != sum(sizes):
            raise ValueError(f"inputs have {inputs.shape[2]} channels; expected {sum(sizes)}")
        return torch.split(inputs, sizes, dim=2)
