"""The training step, in Lightning's terms."""

from functools import partial
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.profiler import record_function

from met2net.models.blocks.drop_path import DropPath
from met2net.models.wrapper import run_network
from met2net.training.averaging import WeightAverage
from met2net.training.compilation import eager
from met2net.training.devices import average_gradients, copy_from_first_device, sum_over_devices
from met2net.training.objective import Objective
from met2net.training.optimizers import make_optimizer
from met2net.training.sample_means import SampleMeans
from met2net.training.schedule import cycles_factor, schedule_of, steps_per_epoch
from met2net.training.settings import OptimizationSettings

__all__ = ["ForecastModule"]


class ForecastModule(LightningModule):
    """Train a network by an objective; validate it exactly as inference runs it.

    A step: losses and backward, a stage of the objective after the other, so that a stage's
    graph is gone before the next is built; the gradients' mean over samples of all
    accumulated batches and devices; clip; optimizer step; schedule, of which an objective may
    have one a stage of the training; the objective's momentum updates; the average of the
    weights, if the settings ask for one.
    Logs, once an epoch, means over its samples: `train_loss` and its parts, and of the
    evaluated network's forecasts in normalized units `val_mse` and `val_rmse`, its root: over
    all samples, frames, channels that are asked for and points with a value. On several devices
    it takes `DataParallel` as strategy.

    Attributes:
        loss: of this device's last training batch, all stages together, without a scaling.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, settings: OptimizationSettings
    ) -> None:
        """Prepare all copies, so that a saved state finds them."""
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.objective = objective
        self.settings = settings
        self.objective.prepare(network)
        decay = settings.average_decay
        self.average = None if decay is None else WeightAverage(network, decay=decay)
        self.loss = torch.zeros(())
        self._has_drop_path = True  # until its share of the epochs is over
        self._losses = SampleMeans()
        self._share = 0.0  # of a full batch that the gradients at hand came from
        self._squared_error = torch.zeros(2, dtype=torch.float64)  # (sum, count)

    @property
    def evaluated_network(self) -> nn.Module:
        """The network to validate and to save: the average, if there is one."""
        return self.network if self.average is None else self.average.network

    @property
    def is_between_steps(self) -> bool:
        """Whether no gradients wait for the next batch."""
        return self._share == 0.0

    def on_fit_start(self) -> None:
        """Start all devices from the same numbers."""
        copy_from_first_device(self)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Add the batch's gradients; step where enough batches are accumulated."""
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer) and isinstance(schedule, LambdaLR)
        self._end_drop_path()
        if self.is_between_steps:
            optimizer.zero_grad()
        self._add_gradients(batch)
        is_last = bool(self.trainer.is_last_batch)
        if is_last or (batch_idx + 1) % self.settings.accumulate_batches == 0:
            with record_function("gradients' mean"):
                average_gradients(self.network, share=self._share)
            self._share = 0.0
            with record_function("optimizer"):
                optimizer.step()  # calls `on_before_optimizer_step`
                schedule.step()
            with record_function("copies"):
                self.objective.after_step(self.network)
                if self.average is not None:
                    self.average.follow(self.network, step=self.trainer.global_step)
        if is_last:
            means = self._losses.means(self.device)
            self.log_dict(
                {f"train_{name}": value for name, value in means.items()},
                on_step=False, on_epoch=True, batch_size=1, sync_dist=True,
            )  # fmt: skip
            self._losses.clear()

    def _end_drop_path(self) -> None:
        """Leave no branch out any more once drop path had its share of the epochs."""
        share = self.settings.drop_path_fraction
        if not self._has_drop_path or share is None:
            return
        if self.current_epoch >= share * self.settings.max_epochs:
            for part in self.modules():
                if isinstance(part, DropPath):
                    part.rate = 0.0
            self._has_drop_path = False

    def _add_gradients(self, batch: dict[str, Tensor]) -> None:
        """Go forward and backward through the stages of the objective."""
        inputs, targets = batch["inputs"], batch["targets"]
        share = len(inputs) / self.settings.batch_size
        total: Tensor | float = 0.0
        stages = self.objective.stages(self.network, inputs, targets, batch.get("init_time"))
        number = 0
        while True:
            number += 1
            with record_function(f"forward {number}"):
                stage = next(stages, None)
            if stage is None:
                break
            with record_function(f"backward {number}"):
                self.manual_backward(stage["loss"] * share)
            values = {name: value.detach() for name, value in stage.items()}
            del stage  # and its graph
            total = total + values.pop("loss")
            self._losses.add(values, num_samples=len(inputs))
        assert isinstance(total, Tensor)
        self.loss = total
        self._losses.add({"loss": total}, num_samples=len(inputs))
        self._share += share

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip as the settings say; gradients have their true scale by now."""
        if self.settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)

    def on_validation_epoch_start(self) -> None:
        """Start new sums."""
        self._squared_error = torch.zeros(2, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Add the batch's squared errors."""
        # Inference is in float32 and not compiled, so this is.
        with torch.autocast(self.device.type, enabled=False), eager():
            forecast = run_network(self.evaluated_network, batch["inputs"], batch.get("init_time"))
            error = forecast - batch["targets"]
        valid = self.objective.squared_error.valid
        if valid is not None:
            error = error[:, :, valid]
        count = torch.tensor(error.numel(), dtype=torch.float64, device=error.device)
        self._squared_error += torch.stack([error.double().square().sum(), count])

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all samples of all devices."""
        sum_over_devices([self._squared_error])
        total, count = self._squared_error
        # Every device has the same number by now.
        self.log_dict(
            {"val_mse": total / count, "val_rmse": (total / count).sqrt()}, sync_dist=True
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the sums of an epoch that is not over; all devices call this."""
        checkpoint["losses"] = self._losses.state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with these sums, on one device."""
        if self.global_rank == 0:
            self._losses.continue_from(checkpoint["losses"])

    def configure_optimizers(self) -> Any:
        """Build the optimizer of the online weights and a schedule that moves every step."""
        settings = self.settings
        optimizer = make_optimizer(settings, self.network.parameters())
        total_steps = self._total_steps()
        self.objective.set_total_steps(total_steps)
        factor = partial(
            cycles_factor,
            cycles=self.objective.cycles(total_steps),
            schedule=schedule_of(settings),
        )
        return [optimizer], [LambdaLR(optimizer, factor)]

    def _total_steps(self) -> int:
        """Count the optimizer steps of the whole training."""
        trainer = self.trainer
        batches = int(trainer.estimated_stepping_batches)  # makes the loader, too
        if trainer.max_steps != -1 or trainer.max_epochs is None:
            return batches
        return trainer.max_epochs * steps_per_epoch(
            int(trainer.num_training_batches), accumulate=self.settings.accumulate_batches
        )
