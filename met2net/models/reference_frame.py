"""Forecast differences from the last observed frame instead of whole fields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.models.channels import interleave_channels
from met2net.models.scale import check_scale
from met2net.models.wrapper import LearningProblem, Wrapper, run_network

__all__ = ["ReferenceFrame"]


class ReferenceFrame(Wrapper):
    """Wrap a forecaster so that every frame is written relative to the last input frame.

    The forecaster sees, for every variable, the scaled differences (x - reference) / scale and,
    as further channels, the normalized reference frame itself, the same for all frames of a
    window; it gives scaled differences, and the forecast adds the reference back. A forecaster
    that gives zeros is persistence. Targets can be encoded as inputs are.

    Args:
        variables: groups of channels in channel order.
        forecaster: builds the inner network from `variables` and `input_variables`.

    Attributes:
        scale: one a channel, std of 6-hour differences in units of the channel's std; stands in
            the weights, set once by `set_scale` before training.

    Raises:
        ValueError: if the groups are wrong.
    """

    scale: Tensor

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        forecaster: Callable[..., nn.Module],
    ) -> None:
        super().__init__()
        self.variables = check_variables(variables)
        input_variables = {
            name: [*labels, *(f"{label} of the reference frame" for label in labels)]
            for name, labels in self.variables.items()
        }
        self.forecaster = forecaster(variables=self.variables, input_variables=input_variables)
        self.register_buffer("scale", torch.full((len(channel_labels(variables)),), torch.nan))
        self._has_scale = False
        self.register_load_state_dict_post_hook(_note_scale)  # type: ignore[no-untyped-call]

    def set_scale(self, scale: Float[Tensor, " c"]) -> None:
        """Set the scale of differences: difference_std / std, a channel.

        Raises:
            ValueError: if the number of channels differs or a value is not positive and finite.
        """
        check_scale(scale, channel_labels(self.variables))
        self.scale.copy_(scale)
        self._has_scale = True

    def forward(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t2 c h w"]:
        """Forecast normalized frames."""
        differences = run_network(self.forecaster, self.encoded(inputs), init_time)
        return differences * self._column() + inputs[:, -1:]

    def encoded(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t c2 h w"]:
        """Give what encoders see of input frames."""
        return self.encode(inputs, reference=inputs[:, -1:])

    def inside(self, problem: LearningProblem) -> LearningProblem:
        """Learn scaled differences: a channel counts relative to how much it changes in 6 hours."""
        reference = problem.inputs[:, -1:]
        return replace(
            problem,
            network=self.forecaster,
            inputs=self.encode(problem.inputs, reference=reference),
            targets=self.differences(problem.targets, reference=reference),
            target_frames=self.encode(problem.target_frames, reference=reference),
        )

    def differences(
        self, frames: Float[Tensor, "b t c h w"], *, reference: Float[Tensor, "b 1 c h w"]
    ) -> Float[Tensor, "b t c h w"]:
        """Give scaled differences from the reference frame."""
        return (frames - reference) / self._column()

    def encode(
        self, frames: Float[Tensor, "b t c h w"], *, reference: Float[Tensor, "b 1 c h w"]
    ) -> Float[Tensor, "b t c2 h w"]:
        """Give what encoders see: a variable's differences, then its reference channels."""
        differences = self.differences(frames, reference=reference)
        return interleave_channels(self.variables, differences, reference.expand_as(frames))

    def _column(self) -> Tensor:
        """Shape the scale to broadcast over `c h w`."""
        if not self._has_scale:
            raise ValueError(
                "the scale of differences is not set; expected set_scale(difference_std / std) "
                "before the network is used"
            )
        return self.scale[:, None, None]


def _note_scale(module: nn.Module, _incompatible: object) -> None:
    """After weights were loaded, the scale is known if they held one."""
    assert isinstance(module, ReferenceFrame)
    # Python's own flag, since looking into a tensor at every step would wait for the GPU.
    module._has_scale = bool(torch.isfinite(module.scale).all())
