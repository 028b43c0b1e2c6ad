"""The training step, in Lightning's terms."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from met2net.training.objective import Objective
from met2net.training.schedule import learning_rate_factor
from met2net.training.settings import OptimizationSettings

__all__ = ["ForecastModule"]


class ForecastModule(LightningModule):
    """Train a network by an objective; validate it exactly as inference runs it.

    A step: losses, backward, clip, optimizer step, then the objective's momentum updates.
    Logs, once an epoch, `train_loss` and its parts, and of `network(inputs)` in normalized
    units `val_mse` and `val_rmse`, its root: over all samples, frames, channels and points.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, settings: OptimizationSettings
    ) -> None:
        """Prepare the objective's copies, so that a saved state finds them."""
        super().__init__()
        self.network = network
        self.objective = objective
        self.settings = settings
        self.objective.prepare(network)
        self._squared_error = torch.zeros(2, dtype=torch.float64)  # (sum, count)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Give the loss; Lightning goes backward."""
        losses: dict[str, Tensor] = self.objective(self.network, batch["inputs"], batch["targets"])
        self.log_dict(
            {f"train_{name}": loss.detach() for name, loss in losses.items()},
            on_step=False,
            on_epoch=True,
            batch_size=len(batch["inputs"]),
        )
        return losses["loss"]

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the settings say; the trainer's own limit is not to be set beside them.

        Raises:
            ValueError: if the trainer has a limit too.
        """
        if gradient_clip_val is not None:
            raise ValueError(
                f"the trainer's gradient_clip_val is {gradient_clip_val}; expected none, since "
                "OptimizationSettings.gradient_clip sets the limit"
            )
        self.clip_gradients(
            optimizer,
            gradient_clip_val=self.settings.gradient_clip,
            gradient_clip_algorithm="norm",
        )

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Step (the closure holds losses, backward and clipping), then move momentum copies."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.objective.after_step(self.network)

    def on_validation_epoch_start(self) -> None:
        """Start new sums."""
        self._squared_error = torch.zeros(2, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Add the batch's squared errors."""
        error = self.network(batch["inputs"]) - batch["targets"]
        count = torch.tensor(error.numel(), dtype=torch.float64, device=error.device)
        self._squared_error += torch.stack([error.double().square().sum(), count])

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all samples of all devices."""
        gathered = self.all_gather(self._squared_error)
        assert isinstance(gathered, Tensor)
        total, count = gathered.reshape(-1, 2).sum(dim=0)
        # Every device has the same number by now.
        self.log_dict({"val_mse": total / count, "val_rmse": (total / count).sqrt()})

    def configure_optimizers(self) -> Any:
        """Build Adam over the online weights and a schedule that moves every step."""
        settings = self.settings
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        factor = partial(
            learning_rate_factor,
            schedule=settings.schedule,
            total_steps=int(self.trainer.estimated_stepping_batches),
            warmup_fraction=settings.warmup_fraction,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
