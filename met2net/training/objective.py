"""What training minimizes: the implicit two-stage objective, or a plain end-to-end loss."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.met2net import Met2Net
from met2net.models.reference_frame import ReferenceFrame
from met2net.training.momentum import check_momentum, momentum_copy, update_momentum
from met2net.training.problem import LearningProblem, learning_problem

__all__ = ["EndToEnd", "Objective", "TwoStage", "differential_divergence"]


class TwoStage(nn.Module):
    """Train autoencoders and translator in one step, each against a slow copy of the other.

    Stage 1: online encoders -> momentum translator -> online decoders; L1 is the MSE of the
    forecast. Gradients flow through the momentum translator, but its weights have none.
    Stage 2: momentum encoders -> online translator; L2 is the MSE against the latent of the
    targets, from the momentum encoders too. The loss is L1 + latent_weight * L2; after each
    optimizer step `after_step` moves the copies. In training the momentum translator runs
    with batch statistics and drop path, like the online one; in eval mode neither.
    Source: Li et al. 2025, arXiv:2507.17189, section 3.

    Args:
        translator_momentum: share of itself that the momentum translator keeps each step.
        autoencoder_momentum: the same for the encoders; with 0 the momentum encoders would
            equal the online ones, so stage 2 uses stage 1's latents, detached, and no copy.
        latent_weight: weight of L2.

    Raises:
        ValueError: if a momentum is outside [0, 1] or the weight is negative.
    """

    def __init__(
        self,
        *,
        translator_momentum: float = 0.999,
        autoencoder_momentum: float = 0.0,
        latent_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_momentum("translator_momentum", translator_momentum)
        check_momentum("autoencoder_momentum", autoencoder_momentum)
        _check_weight("latent_weight", latent_weight)
        self.translator_momentum = translator_momentum
        self.autoencoder_momentum = autoencoder_momentum
        self.latent_weight = latent_weight
        self.momentum_translator: nn.Module | None = None
        self.momentum_encoders: nn.Module | None = None

    def prepare(self, network: nn.Module) -> None:
        """Copy the network's parts; call once, before training or before a state is loaded.

        Raises:
            ValueError: if the network is no Met2Net, with or without a reference frame.
        """
        inner = _met2net(network)
        self.momentum_translator = momentum_copy(inner.translator)
        if self.autoencoder_momentum > 0:
            self.momentum_encoders = momentum_copy(inner.encoders)

    def forward(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
    ) -> dict[str, Tensor]:
        """Give `loss` and its parts `prediction_loss` (L1) and `latent_loss` (L2).

        Raises:
            ValueError: if `prepare` was not called, or the network is no Met2Net.
        """
        translator = self._prepared_translator()
        inner = _met2net(network)
        problem = learning_problem(network, inputs=inputs, targets=targets)
        latent = inner.encoders(problem.inputs)
        prediction_loss = self._stage_1(inner, latent, translator=translator, problem=problem)
        latent_loss = self._stage_2(inner, latent, problem=problem)
        return {
            "loss": prediction_loss + self.latent_weight * latent_loss,
            "prediction_loss": prediction_loss,
            "latent_loss": latent_loss,
        }

    def _stage_1(
        self, inner: Met2Net, latent: Tensor, *, translator: nn.Module, problem: LearningProblem
    ) -> Tensor:
        """Forecast through the momentum translator."""
        grid = (problem.inputs.shape[-2], problem.inputs.shape[-1])
        forecast = inner.decoders(translator(latent), grid=grid)
        return F.mse_loss(forecast, problem.targets)

    def _stage_2(self, inner: Met2Net, latent: Tensor, *, problem: LearningProblem) -> Tensor:
        """Forecast the targets' latent with the online translator."""
        with torch.no_grad():
            encoders = inner.encoders if self.momentum_encoders is None else self.momentum_encoders
            # Without momentum the latent of stage 1 is at hand.
            seen = latent if self.momentum_encoders is None else encoders(problem.inputs)
            target = encoders(problem.target_frames)
        return F.mse_loss(inner.translator(seen.detach()), target)

    def after_step(self, network: nn.Module) -> None:
        """Move the copies; call after every optimizer step.

        Raises:
            ValueError: if `prepare` was not called, or the network is no Met2Net.
        """
        inner = _met2net(network)
        update_momentum(
            self._prepared_translator(), inner.translator, momentum=self.translator_momentum
        )
        if self.momentum_encoders is not None:
            update_momentum(
                self.momentum_encoders, inner.encoders, momentum=self.autoencoder_momentum
            )

    def _prepared_translator(self) -> nn.Module:
        """Give the momentum translator, or say that it is missing."""
        if self.momentum_translator is None:
            raise ValueError("TwoStage has no momentum copies; expected prepare(network) first")
        return self.momentum_translator


class EndToEnd(nn.Module):
    """Train all of any network on the MSE of its forecast.

    Args:
        differential_divergence_weight: weight of `differential_divergence`; TAU takes 0.1.
        temperature: of that divergence.

    Raises:
        ValueError: if the weight is negative or the temperature not positive.
    """

    def __init__(
        self, *, differential_divergence_weight: float = 0.0, temperature: float = 0.1
    ) -> None:
        super().__init__()
        _check_weight("differential_divergence_weight", differential_divergence_weight)
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; expected a positive number")
        self.differential_divergence_weight = differential_divergence_weight
        self.temperature = temperature

    def prepare(self, network: nn.Module) -> None:
        """Do nothing: there are no copies."""

    def forward(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
    ) -> dict[str, Tensor]:
        """Give `loss` and its parts: `prediction_loss`, and `divergence` where it has weight."""
        problem = learning_problem(network, inputs=inputs, targets=targets)
        forecast = problem.network(problem.inputs)
        prediction_loss = F.mse_loss(forecast, problem.targets)
        if self.differential_divergence_weight == 0:
            return {"loss": prediction_loss, "prediction_loss": prediction_loss}
        divergence = differential_divergence(
            forecast, problem.targets, temperature=self.temperature
        )
        loss = prediction_loss + self.differential_divergence_weight * divergence
        return {"loss": loss, "prediction_loss": prediction_loss, "divergence": divergence}

    def after_step(self, network: nn.Module) -> None:
        """Do nothing: there are no copies."""


Objective = TwoStage | EndToEnd


def differential_divergence(
    forecast: Float[Tensor, "b t c h w"],
    targets: Float[Tensor, "b t c h w"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """Compare where and how much frames change: KL of the softmax of frame differences.

    The softmax runs over all channels and points of a difference. As in the published
    settings, p log(p / q), p from the forecast, is averaged over points, not summed.
    Source: Tan et al. 2023, arXiv:2206.12126, section 3.3.

    Raises:
        ValueError: if there is a single frame.
    """
    if forecast.shape[1] < 2:
        raise ValueError("differential divergence of 1 target frame; expected at least 2 frames")
    predicted, true = (
        (x.diff(dim=1).flatten(start_dim=2) / temperature).log_softmax(dim=-1)
        for x in (forecast, targets)
    )
    return F.kl_div(true, predicted, reduction="none", log_target=True).mean()


def _met2net(network: nn.Module) -> Met2Net:
    """Look through a reference frame for the Met2Net inside."""
    inner = network.forecaster if isinstance(network, ReferenceFrame) else network
    if not isinstance(inner, Met2Net):
        raise ValueError(
            f"the network is a {type(inner).__name__}; TwoStage expected a Met2Net, since it "
            "trains encoders, translator and decoders apart"
        )
    return inner


def _check_weight(name: str, weight: float) -> None:
    """Refuse a negative weight."""
    if not weight >= 0:
        raise ValueError(f"{name} is {weight}; expected at least 0")
