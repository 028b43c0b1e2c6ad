"""The implicit two-stage objective of Met2Net."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.models.met2net import Met2Net
from met2net.models.wrapper import innermost
from met2net.training.momentum import check_momentum, momentum_copy, update_momentum
from met2net.training.objective import Objective, check_weight
from met2net.training.problem import learning_problem

__all__ = ["TwoStage", "inner_met2net"]


class TwoStage(Objective):
    """Train autoencoders and translator in one step, each against a slow copy of the other.

    Stage 1: online encoders -> momentum translator -> online decoders; L1 is the MSE of the
    forecast. Gradients flow through the momentum translator, but its weights have none.
    Stage 2: momentum encoders -> online translator; L2 is the MSE against the latent of the
    targets, from the momentum encoders too. Both count channels and areas alike. The loss is
    prediction_weight * L1 + latent_weight * L2; after each optimizer step `after_step` moves the
    copies. In training the momentum translator runs with batch statistics and drop path, like
    the online one; in eval mode neither. Momentum decoders would train nothing, so there are none.
    Source: Li et al. 2025, arXiv:2507.17189, section 3.

    Args:
        translator_momentum: share of itself that the momentum translator keeps each step.
        autoencoder_momentum: the same for the encoders; with 0 the momentum encoders would
            equal the online ones, so stage 2 uses stage 1's latents, detached, and no copy.
        prediction_weight: weight of L1.
        latent_weight: weight of L2.
        translator_sees_forecast: stage 1 goes through the online translator, which then learns
            from L1 too, and there is no momentum translator. Not the paper's: it shows what the
            translator misses (docs/model.md).

    Raises:
        ValueError: if a momentum is outside [0, 1] or a weight is not positive.
    """

    def __init__(
        self,
        *,
        translator_momentum: float = 0.999,
        autoencoder_momentum: float = 0.0,
        prediction_weight: float = 1.0,
        latent_weight: float = 1.0,
        translator_sees_forecast: bool = False,
        channel_weights: Mapping[str, float] | None = None,
        area_weighted: bool = False,
    ) -> None:
        super().__init__(channel_weights=channel_weights, area_weighted=area_weighted)
        check_momentum("translator_momentum", translator_momentum)
        check_momentum("autoencoder_momentum", autoencoder_momentum)
        check_weight("prediction_weight", prediction_weight)
        check_weight("latent_weight", latent_weight)
        self.translator_momentum = translator_momentum
        self.autoencoder_momentum = autoencoder_momentum
        self.prediction_weight = prediction_weight
        self.latent_weight = latent_weight
        self.translator_sees_forecast = translator_sees_forecast
        self.momentum_translator: nn.Module | None = None
        self.momentum_encoders: nn.Module | None = None

    def prepare(self, network: nn.Module) -> None:
        """Copy the network's parts.

        Raises:
            ValueError: if the network is no Met2Net, in wrappers or not.
        """
        inner = inner_met2net(network)
        super().prepare(network)
        if not self.translator_sees_forecast:
            self.momentum_translator = momentum_copy(inner.translator)
        if self.autoencoder_momentum > 0:
            self.momentum_encoders = momentum_copy(inner.encoders)

    def stages(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
        init_time: Int64[Tensor, " b"] | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Give `prediction_loss` (L1), then `latent_loss` (L2), each with its weighted `loss`.

        Raises:
            ValueError: if `prepare` was not called, or the network is no Met2Net.
        """
        inner = inner_met2net(network)
        translator = self._translator_of_stage_1(inner)
        problem = learning_problem(network, inputs=inputs, targets=targets, init_time=init_time)
        latent = inner.encoders(problem.inputs)
        grid = (inputs.shape[-2], inputs.shape[-1])
        forecast = inner.decoders(translator(latent), grid=grid)
        prediction_loss = self.squared_error(forecast, problem.targets, problem.weights)
        seen = latent.detach()
        del latent, forecast  # nothing but the loss keeps the graph
        yield {
            "loss": self.prediction_weight * prediction_loss,
            "prediction_loss": prediction_loss,
        }
        del prediction_loss
        with torch.no_grad():
            encoders: nn.Module = inner.encoders
            if self.momentum_encoders is not None:  # without, the latent of stage 1 serves
                encoders = self.momentum_encoders
                seen = encoders(problem.inputs)
            aim = encoders(problem.target_frames)
        latent_loss = self.latent_error(inner, inner.translator(seen), aim, height=grid[0])
        yield {"loss": self.latent_weight * latent_loss, "latent_loss": latent_loss}

    def after_step(self, network: nn.Module) -> None:
        """Move the copies; call after every optimizer step.

        Raises:
            ValueError: if `prepare` was not called, or the network is no Met2Net.
        """
        inner = inner_met2net(network)
        if not self.translator_sees_forecast:
            update_momentum(
                self._translator_of_stage_1(inner), inner.translator,
                momentum=self.translator_momentum,
            )  # fmt: skip
        if self.momentum_encoders is not None:
            update_momentum(
                self.momentum_encoders, inner.encoders, momentum=self.autoencoder_momentum
            )

    def _translator_of_stage_1(self, inner: Met2Net) -> nn.Module:
        """Give the momentum translator, or say that it is missing."""
        if self.translator_sees_forecast:
            return inner.translator
        if self.momentum_translator is None:
            raise ValueError("TwoStage has no momentum copies; expected prepare(network) first")
        return self.momentum_translator


def inner_met2net(network: nn.Module) -> Met2Net:
    """Look through wrappers for the Met2Net inside.

    Raises:
        ValueError: if there is none.
    """
    inner = innermost(network)
    if not isinstance(inner, Met2Net):
        raise ValueError(
            f"the network is a {type(inner).__name__}; expected a Met2Net, since the objective "
            "trains encoders, translator and decoders apart"
        )
    return inner
