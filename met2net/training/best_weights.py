"""The weights of the best epoch."""

import lightning as L
import torch
from torch import Tensor

from met2net.training.module import ForecastModule

__all__ = ["BestWeights"]


class BestWeights(L.Callback):
    """Keeps, in memory, the evaluated network's weights of the epoch with the least `val_mse`."""

    def __init__(self) -> None:
        self._least = float("inf")
        self._weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare the epoch with the best one before."""
        assert isinstance(pl_module, ForecastModule)
        found = float(trainer.callback_metrics["val_mse"])
        if found < self._least:
            self._least = found
            state = pl_module.evaluated_network.state_dict()
            self._weights = {k: v.detach().to("cpu", copy=True) for k, v in state.items()}

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
