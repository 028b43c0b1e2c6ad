"""Scheduled sampling: recurrent networks see true frames first, later their own."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.baselines.recurrent import RecurrentForecaster, forecast_channels
from met2net.models.wrapper import innermost
from met2net.training.objective import EndToEnd
from met2net.training.problem import learning_problem

__all__ = ["ScheduledSampling"]


class ScheduledSampling(EndToEnd):
    """Train a recurrent network on the MSE of every frame's successor.

    In the target period a step sees the true frame with probability
    max(0, start - decrease_per_step * step), drawn for every sample and frame, else its own
    forecast; from `stop_step` on always its own, as inference does. The forecasts of the input
    frames' successors count in the loss as the targets do, but for channels that input frames do
    not hold; channels that are only seen count, too: the network is fed its own forecasts of them.
    The number of steps is a part of the
    state that a resumed training continues from.
    Source: Bengio et al. 2015, arXiv:1506.03099; defaults: Tan et al. 2023, arXiv:2306.11249,
    for 50 epochs of 3,285 steps. A shorter training needs a faster decrease to see its own
    forecasts at all.

    Args:
        start: probability at step 0.
        decrease_per_step: of the probability.
        stop_step: step from which on no true frame is seen.
        channel_weights: of the MSE, as in `Objective`.
        area_weighted: of the MSE, as in `Objective`.

    Raises:
        ValueError: if a value is out of range.
    """

    step: Tensor

    def __init__(
        self,
        *,
        start: float = 1.0,
        decrease_per_step: float = 2e-5,
        stop_step: int = 50_000,
        channel_weights: Mapping[str, float] | None = None,
        area_weighted: bool = False,
    ) -> None:
        super().__init__(channel_weights=channel_weights, area_weighted=area_weighted)
        for name, value, is_right, expected in (
            ("start", start, 0 <= start <= 1, "0 to 1"),
            ("decrease_per_step", decrease_per_step, decrease_per_step >= 0, "at least 0"),
            ("stop_step", stop_step, stop_step >= 0, "at least 0"),
        ):
            if not is_right:
                raise ValueError(f"{name} is {value}; expected {expected}")
        self.start, self.decrease_per_step, self.stop_step = start, decrease_per_step, stop_step
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def prepare(self, network: nn.Module) -> None:
        """Refuse a network that cannot be trained like this.

        Raises:
            ValueError: if the network is not recurrent: alone, a variable, or in wrappers.
        """
        inner = innermost(network)
        parts = inner.forecasters if isinstance(inner, PerVariable) else [inner]
        for part in parts:
            if not isinstance(part, RecurrentForecaster):
                raise ValueError(
                    f"the network is a {type(part).__name__}; ScheduledSampling expected a "
                    "recurrent one, which is fed frames one by one"
                )
        super().prepare(network)

    def truth_probability(self) -> Float[Tensor, ""]:
        """Give the probability that a true frame is seen now."""
        falling = (self.start - self.decrease_per_step * self.step.float()).clamp(min=0)
        return torch.where(self.step < self.stop_step, falling, torch.zeros_like(falling))

    def forward(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
        init_time: Int64[Tensor, " b"] | None = None,
    ) -> dict[str, Tensor]:
        """Give `loss`, its part on the targets, `prediction_loss`, and `truth_probability`."""
        problem = learning_problem(network, inputs=inputs, targets=targets, init_time=init_time)
        probability = self.truth_probability()
        shape = (len(targets), targets.shape[1] - 1)
        use_truth = torch.rand(shape, device=targets.device) < probability
        forecast = _forecast_with_targets(
            problem.network, problem.inputs, problem.target_frames, use_truth
        )
        seen_ahead = _seen_ahead(problem.network, problem.inputs)
        truth = torch.cat([seen_ahead, problem.targets], dim=1)
        weights = problem.weights
        return {
            "loss": self.squared_error.of_every_channel(
                forecast,
                truth,
                _from_the_second_frame(
                    weights,
                    seen_ahead,
                    num_targets=targets.shape[1],
                    seen=self.squared_error.seen,
                ),
            ),
            "prediction_loss": self.squared_error(
                forecast[:, -targets.shape[1] :], problem.targets, weights
            ),
            "truth_probability": probability,
        }

    def after_step(self, network: nn.Module) -> None:
        """Count the step."""
        self.step += 1


def _from_the_second_frame(
    weights: Float[Tensor, "t2 c"] | None,
    seen_ahead: Float[Tensor, "b t c h w"],
    *,
    num_targets: int,
    seen: Bool[Tensor, " c"] | None,
) -> Float[Tensor, "t3 c"] | None:
    """Give the weights of all frames that are forecast: input frames' successors count once.

    There, channels that are not seen do not count: what input frames hold of them is no truth.
    """
    if weights is None and seen is None:
        return None
    num_ahead, num_channels = seen_ahead.shape[1:3]
    ahead = seen_ahead.new_ones(num_ahead, num_channels)
    if weights is None:
        weights = ahead.new_ones(num_targets, num_channels)
    return torch.cat([ahead if seen is None else ahead * seen, weights])


def _forecast_with_targets(
    network: nn.Module, inputs: Tensor, target_frames: Tensor, use_truth: Bool[Tensor, "b t"]
) -> Tensor:
    """Forecast all successors; several networks, a variable each, see truth at the same places."""
    if not isinstance(network, PerVariable):
        assert isinstance(network, RecurrentForecaster)
        return network.forward_with_targets(inputs, target_frames, use_truth)
    sizes = [len(labels) for labels in network.input_variables.values()]
    parts = zip(
        network.forecasters,
        torch.split(inputs, sizes, dim=2),
        torch.split(target_frames, sizes, dim=2),
        strict=True,
    )
    return torch.cat([_forecast_with_targets(*part, use_truth) for part in parts], dim=2)


def _seen_ahead(network: nn.Module, inputs: Tensor) -> Tensor:
    """Give the forecast channels of all input frames but the first."""
    assert isinstance(network, PerVariable | RecurrentForecaster)
    channels = forecast_channels(network.variables, network.input_variables)
    if len(channels) == len(channel_labels(network.input_variables)):
        return inputs[:, 1:]
    return torch.cat([inputs[:, 1:, channel : channel + 1] for channel in channels], dim=2)
