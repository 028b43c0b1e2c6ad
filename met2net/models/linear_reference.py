"""Correct a linear forecast instead of forecasting whole fields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.models.channels import interleave_channels
from met2net.models.linear_forecast import LinearForecast
from met2net.models.output_layers import start_from_zero
from met2net.models.scale import check_scale
from met2net.models.wrapper import (
    LearningProblem,
    Wrapper,
    innermost,
    known_init_time,
    run_network,
)

__all__ = ["LinearReference"]


class LinearReference(Wrapper):
    """Wrap a forecaster so that it corrects ridge regression on anomalies.

    The forecaster sees, for every variable, the scaled differences from the last input frame, that
    frame itself, the same for all frames of a window, and the linear forecast as a scaled
    difference from it: an input frame has the lead times at its own place, so that all lead times
    are spread over the input frames. It gives the difference from the linear forecast in units of
    `residual`. A forecaster that gives zeros is the linear forecast. Target frames are encoded as
    input frames are. The network's output layers start from zero, so that training starts from the
    linear forecast.

    Args:
        variables: groups of channels in channel order.
        linear: arguments of `LinearForecast` (`met2net.forecasting.linear_form.linear_settings`).
        forecaster: builds the inner network from `variables` and `input_variables`.

    Attributes:
        linear: the linear forecast; set by `set_linear` before training, never trained.
        scale: of differences from the last frame, one a channel, in units of the channel's std.
        residual: standard deviation of what the linear forecast left on the training split, one a
            lead time and channel.

    Raises:
        ValueError: if the groups are wrong or the linear forecast is of other channels.
    """

    scale: Tensor
    residual: Tensor
    uses_init_time = True

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        linear: Mapping[str, Any],
        forecaster: Callable[..., nn.Module],
    ) -> None:
        super().__init__()
        self.variables = check_variables(variables)
        labels = channel_labels(variables)
        if linear.get("num_channels") != len(labels):
            raise ValueError(
                f"the linear forecast has {linear.get('num_channels')} channels; "
                f"expected {len(labels)}: {', '.join(labels)}"
            )
        self.linear = LinearForecast(**linear)
        num_inputs, num_leads = len(self.linear.input_hours), len(self.linear.target_hours)
        self._groups = -(-num_leads // num_inputs)
        self._num_inputs = num_inputs
        input_variables = {
            name: [
                *labels,
                *(f"{label} of the last frame" for label in labels),
                *(
                    f"{label} of linear forecast {group}"
                    for label in labels
                    for group in range(self._groups)
                ),
            ]
            for name, labels in self.variables.items()
        }
        self.forecaster = forecaster(variables=self.variables, input_variables=input_variables)
        start_from_zero(innermost(self.forecaster))
        self.register_buffer("scale", torch.full((len(labels),), torch.nan))
        self.register_buffer("residual", torch.full((num_leads, len(labels)), torch.nan))
        self._is_set = False
        self.register_load_state_dict_post_hook(_note_numbers)  # type: ignore[no-untyped-call]

    def set_linear(
        self,
        fitted: LinearForecast,
        *,
        scale: Float[Tensor, " c"],
        residual: Float[Tensor, "l c"],
    ) -> None:
        """Take a fitted linear forecast and the two scales.

        Raises:
            ValueError: if it is of another form, a scale has another number of channels, or a
                value is not positive and finite.
        """
        check_scale(scale, channel_labels(self.variables))
        check_scale(residual, channel_labels(self.variables))
        try:
            self.linear.load_state_dict(fitted.state_dict())
        except RuntimeError as error:
            raise ValueError(f"the linear forecast is of another form: {error}") from error
        self.scale.copy_(scale)
        self.residual.copy_(residual)
        self._is_set = True

    def forward(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t2 c h w"]:
        """Forecast normalized frames.

        Raises:
            ValueError: if there is no init time, or `set_linear` was not called.
        """
        linear = self._linear(inputs, init_time)
        encoded = self._encode(inputs, last=inputs[:, -1:], linear=linear)
        corrections = run_network(self.forecaster, encoded, init_time)
        return linear + corrections * self.residual[..., None, None]

    def encoded(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t c2 h w"]:
        """Give what encoders see of input frames."""
        return self._encode(inputs, last=inputs[:, -1:], linear=self._linear(inputs, init_time))

    def inside(self, problem: LearningProblem) -> LearningProblem:
        """Learn corrections, in units of the linear error.

        A channel counts relative to its linear error over all lead times; of these, each counts as
        it does in that error, the later and larger ones more, as in the score.
        """
        linear = self._linear(problem.inputs, problem.init_time)
        last = problem.inputs[:, -1:]
        return replace(
            problem,
            network=self.forecaster,
            inputs=self._encode(problem.inputs, last=last, linear=linear),
            targets=(problem.targets - linear) / self.residual[..., None, None],
            weights=self.residual.square() / self.residual.square().mean(dim=0),
            target_frames=self._encode(problem.target_frames, last=last, linear=linear),
        )

    def _linear(self, inputs: Tensor, init_time: Tensor | None) -> Tensor:
        """Give the linear forecast, without gradients."""
        if not self._is_set:
            raise ValueError(
                "the linear forecast is not set; expected set_linear before the network is used"
            )
        with torch.no_grad():
            forecast: Tensor = self.linear(inputs, known_init_time(init_time))
        return forecast

    def _encode(self, frames: Tensor, *, last: Tensor, linear: Tensor) -> Tensor:
        """Put differences, last frame and linear forecast together, a variable after the other."""
        column = self.scale[:, None, None]
        # Frame t has lead times t, t + T, t + 2 T ...; past the last one, the last one.
        place = torch.arange(frames.shape[1], device=frames.device) % self._num_inputs
        step = self._num_inputs * torch.arange(self._groups, device=frames.device)
        lead = (place[:, None] + step).clamp(max=linear.shape[1] - 1)
        ahead = rearrange(
            ((linear - last) / column)[:, lead], "b t group c h w -> b t (c group) h w"
        )
        return interleave_channels(
            self.variables, (frames - last) / column, last.expand_as(frames), ahead
        )


def _note_numbers(module: nn.Module, _incompatible: object) -> None:
    """After weights were loaded, the numbers are known if the weights held them."""
    assert isinstance(module, LinearReference)
    # Python's own flag, since looking into a tensor at every step would wait for the GPU.
    module._is_set = bool(torch.isfinite(module.residual).all())
