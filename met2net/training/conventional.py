"""The conventional two-stage scheme: reconstruct, freeze, predict."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.training.objective import Objective
from met2net.training.problem import learning_problem
from met2net.training.two_stage import inner_met2net

__all__ = ["ReconstructThenPredict"]

_UNKNOWN = -1


class ReconstructThenPredict(Objective):
    """Train autoencoders to reconstruct; then keep them as they are and train the translator.

    At first encoders and decoders learn to give the target frames back (windows overlap, so
    every hour stands among the targets). From the switch on they have no gradients, and the
    translator learns to forecast their latents. This is the scheme that the paper sets its own
    against; the frozen parts stay bit for bit the same, since optimizers pass over weights
    without gradient. Each stage is a training of its own: it has a whole learning rate schedule,
    and Adam's moments of the translator begin with its stage, as it has no gradient before.
    Source: Rombach et al. 2022, arXiv:2112.10752; Li et al. 2025, arXiv:2507.17189, section 1.

    Args:
        reconstruction_share: share of all optimizer steps before the switch; needs
            `set_total_steps`.
        reconstruction_steps: number of these steps, instead of the share.

    Raises:
        ValueError: if not exactly one of the two is given, or is out of range.
    """

    step: Tensor
    switch_step: Tensor

    def __init__(
        self,
        *,
        reconstruction_share: float | None = None,
        reconstruction_steps: int | None = None,
        channel_weights: Mapping[str, float] | None = None,
        area_weighted: bool = False,
    ) -> None:
        super().__init__(channel_weights=channel_weights, area_weighted=area_weighted)
        if (reconstruction_share is None) == (reconstruction_steps is None):
            raise ValueError(
                f"reconstruction_share is {reconstruction_share} and reconstruction_steps is "
                f"{reconstruction_steps}; expected exactly one of them"
            )
        if reconstruction_share is not None and not 0 < reconstruction_share < 1:
            raise ValueError(
                f"reconstruction_share is {reconstruction_share}; expected 0 < share < 1"
            )
        if reconstruction_steps is not None and reconstruction_steps < 1:
            raise ValueError(f"reconstruction_steps is {reconstruction_steps}; expected at least 1")
        self.reconstruction_share = reconstruction_share
        switch = _UNKNOWN if reconstruction_steps is None else reconstruction_steps
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("switch_step", torch.tensor(switch, dtype=torch.int64))
        # Python's own counts, since looking into a tensor at every step would wait for the GPU.
        self._step, self._switch_step = 0, switch
        self.register_load_state_dict_post_hook(_note_steps)  # type: ignore[no-untyped-call]

    @property
    def is_reconstructing(self) -> bool:
        """Whether the autoencoders still learn.

        Raises:
            ValueError: if the switch is a share of steps whose number is not known.
        """
        if self._switch_step == _UNKNOWN:
            raise ValueError(
                f"reconstruction_share is {self.reconstruction_share}, but the number of all "
                "steps is unknown; expected set_total_steps(total_steps) first"
            )
        return self._step < self._switch_step

    @property
    def learns_to_forecast(self) -> bool:
        """Whether the translator learns: before, forecasts are those of its random weights."""
        return not self.is_reconstructing

    def prepare(self, network: nn.Module) -> None:
        """Refuse a network without autoencoders.

        Raises:
            ValueError: if the network is no Met2Net, in wrappers or not.
        """
        inner_met2net(network)
        super().prepare(network)

    def set_total_steps(self, total_steps: int) -> None:
        """Turn the share into a step, once: a resumed training keeps its switch.

        Raises:
            ValueError: if no step is left before or after the switch.
        """
        if self._switch_step == _UNKNOWN:
            assert self.reconstruction_share is not None
            self._switch_step = round(self.reconstruction_share * total_steps)
            self.switch_step.fill_(self._switch_step)
        if not 0 < self._switch_step < total_steps:
            raise ValueError(
                f"autoencoders learn for {self._switch_step} of {total_steps} steps; expected "
                "at least one step for them and one for the translator"
            )

    def cycles(self, total_steps: int) -> tuple[int, ...]:
        """Give the autoencoders' steps and the translator's, for a schedule each.

        Raises:
            ValueError: if the switch is not known, or outside the training.
        """
        self.set_total_steps(total_steps)
        return self._switch_step, total_steps - self._switch_step

    def stages(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
        init_time: Int64[Tensor, " b"] | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Give `loss`, and the same as `reconstruction_loss` or, later, `latent_loss`.

        Raises:
            ValueError: if the number of steps is not known, or the network is no Met2Net.
        """
        inner = inner_met2net(network)
        problem = learning_problem(network, inputs=inputs, targets=targets, init_time=init_time)
        if self.is_reconstructing:
            grid = (inputs.shape[-2], inputs.shape[-1])
            decoded = inner.decoders(inner.encoders(problem.target_frames), grid=grid)
            loss = self.squared_error.of_every_channel(decoded, problem.targets, problem.weights)
            yield {"loss": loss, "reconstruction_loss": loss}
        else:
            with torch.no_grad():
                seen = inner.encoders(problem.inputs)
                aim = inner.encoders(problem.target_frames)
            loss = self.latent_error(inner, inner.translator(seen), aim, height=inputs.shape[-2])
            yield {"loss": loss, "latent_loss": loss}

    def after_step(self, network: nn.Module) -> None:
        """Count the step."""
        self.step += 1
        self._step += 1


def _note_steps(module: nn.Module, _incompatible: object) -> None:
    """After a state was loaded, count on from its numbers."""
    assert isinstance(module, ReconstructThenPredict)
    module._step, module._switch_step = int(module.step), int(module.switch_step)
