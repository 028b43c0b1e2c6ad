"""The network that changes nothing: what it is wrapped in forecasts alone."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.models.channels import check_input_variables
from met2net.models.checks import check_frames, check_sizes

__all__ = ["NoCorrection"]


class NoCorrection(nn.Module):
    """Forecast zero. As a correction of a linear forecast, that is ridge regression itself.

    So ridge is trained, scored, exported, registered and promoted as any model is. It has one
    weight, which nothing moves, since optimizers refuse to have none.

    Args:
        variables: groups of channels in channel order.
        num_inputs: input frames.
        num_targets: target frames.
        input_variables: channels that are seen; None: the same.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        check_sizes(num_inputs=num_inputs, num_targets=num_targets)
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        self.num_inputs, self.num_targets = num_inputs, num_targets
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c2 h w"]:
        """Give zeros."""
        num_channels = len(channel_labels(self.input_variables))
        check_frames(inputs, num_frames=self.num_inputs, num_channels=num_channels)
        shape = (len(inputs), self.num_targets, len(channel_labels(self.variables)))
        return self.gain * inputs.new_zeros(*shape, *inputs.shape[-2:])
