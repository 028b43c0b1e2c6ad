"""The weights of the best epoch, and an end to trainings that get no better."""

import lightning as L
import torch
from torch import Tensor

from met2net.training.module import ForecastModule

__all__ = ["BestWeights"]


class BestWeights(L.Callback):
    """Keeps, in memory, the evaluated network's weights of the epoch with the least `val_mse`.

    Epochs in which nothing of the forecast is learned (autoencoders that learn to reconstruct) do
    not count towards the patience.

    Args:
        patience: epochs without a better one after which training stops; None: never.

    Attributes:
        history: what was logged, an epoch each.
    """

    def __init__(self, *, patience: int | None) -> None:
        self._patience = patience
        self._least = float("inf")
        self._since = 0
        self._weights: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare the epoch with the best one before."""
        assert isinstance(pl_module, ForecastModule)
        found = float(trainer.callback_metrics["val_mse"])
        if found < self._least:
            self._least, self._since = found, 0
            state = pl_module.evaluated_network.state_dict()
            self._weights = {k: v.detach().to("cpu", copy=True) for k, v in state.items()}
        elif pl_module.objective.learns_to_forecast:
            self._since += 1
        trainer.should_stop |= self._patience is not None and self._since >= self._patience

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep what the epoch has logged."""
        del pl_module
        self.history.append({k: float(v) for k, v in trainer.callback_metrics.items()})

    def restore(self, network: torch.nn.Module) -> None:
        """Give a network the best weights.

        Raises:
            RuntimeError: if no epoch had a validation error that is a number.
        """
        if not self._weights:
            raise RuntimeError(
                "the validation error was never a finite number; expected it to be: try a smaller "
                "learning_rate or a gradient_clip"
            )
        network.load_state_dict(self._weights)
