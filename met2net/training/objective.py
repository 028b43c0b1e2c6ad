"""What training minimizes: the interface, and the plain objective."""

from collections.abc import Iterator, Mapping

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from met2net.models.met2net import Met2Net
from met2net.training.divergence import differential_divergence
from met2net.training.problem import learning_problem
from met2net.training.squared_error import SquaredError

__all__ = ["EndToEnd", "Objective", "check_weight"]


class Objective(nn.Module):
    """What all objectives share: an order of calls, and weights of the squared error.

    `prepare` once before training or before a state is loaded; for every batch either
    `forward`, or `stages` one after the other with a backward in between; after every optimizer
    step `after_step`.

    Args:
        channel_weights: of every squared error, of forecasts and of latents; see `SquaredError`.
        area_weighted: whether every squared error counts by area; `set_area_weights` has to be
            called then.
    """

    def __init__(
        self, *, channel_weights: Mapping[str, float] | None = None, area_weighted: bool = False
    ) -> None:
        super().__init__()
        self.squared_error = SquaredError(
            channel_weights=channel_weights, area_weighted=area_weighted
        )

    def prepare(self, network: nn.Module) -> None:
        """Fit the objective to a network.

        Raises:
            ValueError: if the objective does not suit it.
        """
        self.squared_error.prepare(network)

    def set_total_steps(self, total_steps: int) -> None:
        """Learn how many optimizer steps the whole training has; most objectives do not care."""

    @property
    def learns_to_forecast(self) -> bool:
        """Whether what is learned now serves forecasts; most objectives learn nothing else."""
        return True

    def cycles(self, total_steps: int) -> tuple[int, ...]:
        """Give the number of steps of every learning rate schedule, one after the other.

        Most objectives have one schedule over the whole training.
        """
        return (total_steps,)

    def set_area_weights(self, weights: Float[Tensor, " h"]) -> None:
        """Learn the weights of the grid's rows, as `Grid.area_weights` gives them.

        Raises:
            ValueError: if a weight is not positive and finite.
        """
        self.squared_error.set_area_weights(weights)

    def set_valid_points(
        self,
        valid: Bool[Tensor, "c h w"],
        *,
        asked: Bool[Tensor, " c"] | None = None,
        seen: Bool[Tensor, " c"] | None = None,
    ) -> None:
        """Learn which points have a value, and which channels are asked for, and which seen.

        The rest is left out of whatever compares forecasts with what happened, but where an
        objective needs a channel that is only seen; latents have no points, and all count. Not to
        be called where everything has a value and is asked for.

        Args:
            valid: as `ValidPoints.tensor` gives them.
            asked: channels that are forecast; None: all of them.
            seen: channels that input frames hold; None: all of them.

        Raises:
            ValueError: if nothing is left.
        """
        self.squared_error.set_valid_points(valid, asked=asked, seen=seen)

    def latent_error(
        self,
        network: Met2Net,
        found: Float[Tensor, "b v d h2 w2"],
        aim: Float[Tensor, "b v d h2 w2"],
        *,
        height: int,
    ) -> Float[Tensor, ""]:
        """Give the squared error of a network's latents, weighted as that of forecasts is."""
        return self.squared_error.of_latents(
            found, aim, factor=network.encoders.factor, height=height
        )

    def stages(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
        init_time: Int64[Tensor, " b"] | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Give the losses a stage after the other: each a `loss` and its parts.

        A stage needs no earlier stage's graph, so that the caller may go backward, and free
        that graph, before it asks for the next. The loss of the step is the stages' sum.
        """
        yield self(network, inputs, targets, init_time)

    def forward(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
        init_time: Int64[Tensor, " b"] | None = None,
    ) -> dict[str, Tensor]:
        """Give `loss`, the sum over all stages, and its parts."""
        losses: dict[str, Tensor] = {}
        for stage in self.stages(network, inputs, targets, init_time):
            total = stage["loss"] + losses["loss"] if losses else stage["loss"]
            losses |= {**stage, "loss": total}
        return losses

    def after_step(self, network: nn.Module) -> None:
        """Follow the network; most objectives have nothing that does."""


class EndToEnd(Objective):
    """Train all of any network on the MSE of its forecast.

    Args:
        differential_divergence_weight: weight of `differential_divergence`; TAU takes 0.1. Its
            softmax runs over all channels and points, so that weights of these do not apply.
        temperature: of that divergence.

    Raises:
        ValueError: if the weight is negative or the temperature not positive.
    """

    def __init__(
        self,
        *,
        differential_divergence_weight: float = 0.0,
        temperature: float = 0.1,
        channel_weights: Mapping[str, float] | None = None,
        area_weighted: bool = False,
    ) -> None:
        super().__init__(channel_weights=channel_weights, area_weighted=area_weighted)
        if not differential_divergence_weight >= 0:
            raise ValueError(
                f"differential_divergence_weight is {differential_divergence_weight}; "
                "expected at least 0"
            )
        check_weight("temperature", temperature)
        self.differential_divergence_weight = differential_divergence_weight
        self.temperature = temperature

    def forward(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
        init_time: Int64[Tensor, " b"] | None = None,
    ) -> dict[str, Tensor]:
        """Give `loss` and its parts: `prediction_loss`, and `divergence` where it has weight."""
        problem = learning_problem(network, inputs=inputs, targets=targets, init_time=init_time)
        forecast = problem.network(problem.inputs)
        prediction_loss = self.squared_error(forecast, problem.targets, problem.weights)
        if self.differential_divergence_weight == 0:
            return {"loss": prediction_loss, "prediction_loss": prediction_loss}
        divergence = differential_divergence(
            forecast, problem.targets, temperature=self.temperature,
            valid=self.squared_error.valid,
        )  # fmt: skip
        loss = prediction_loss + self.differential_divergence_weight * divergence
        return {"loss": loss, "prediction_loss": prediction_loss, "divergence": divergence}


def check_weight(name: str, weight: float) -> None:
    """Refuse a number that is not positive.

    Raises:
        ValueError: naming the setting.
    """
    if not weight > 0:
        raise ValueError(f"{name} is {weight}; expected a positive number")
