"""An end to trainings that get no better."""

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping

from met2net.training.module import ForecastModule

__all__ = ["ForecastPatience"]


class ForecastPatience(EarlyStopping):
    """Stops a training whose validation error has not fallen for so many epochs.

    Epochs in which nothing of the forecast is learned (autoencoders that learn to reconstruct)
    do not count: they would end the training before its translator has learned anything. An error
    that is no finite number ends the training at once: nothing would follow from it.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__("val_mse", patience=epochs)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count where the check belongs to the end of an epoch."""
        if _learns_to_forecast(pl_module):
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count where the check belongs to the validation."""
        if _learns_to_forecast(pl_module):
            super().on_validation_end(trainer, pl_module)


def _learns_to_forecast(module: L.LightningModule) -> bool:
    assert isinstance(module, ForecastModule)
    return module.objective.learns_to_forecast
