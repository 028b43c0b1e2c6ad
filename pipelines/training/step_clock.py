"""The clock of a training's steps."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch

from pipelines.training.step_time import StepTime, write_step_time

__all__ = ["StepClock"]


class StepClock(L.Callback):
    """Takes the time of every epoch's batches, and writes the quickest epoch's mean.

    Args:
        folder: of the training.
        batch_size: windows in a batch.
        clock: gives seconds.
    """

    def __init__(
        self, folder: Path, *, batch_size: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._folder, self._batch_size, self._clock = folder, batch_size, clock
        self._begun = self._ended = 0.0
        self._count = 0
        self._best = math.inf

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note when it begins."""
        del trainer, pl_module
        self._begun, self._count = self._clock(), 0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note when the last batch so far ended; validation comes after the epoch's last."""
        del pl_module, outputs, batch, batch_idx
        if trainer.is_last_batch and _is_on_gpu(trainer):
            torch.cuda.synchronize()  # a GPU lags behind; once an epoch is enough to wait
        self._ended, self._count = self._clock(), self._count + 1

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the mean, if it is the smallest so far."""
        del pl_module
        mean = (self._ended - self._begun) / self._count if self._count else math.inf
        if mean >= self._best or not trainer.is_global_zero:
            return
        self._best = mean
        found = StepTime(
            seconds=mean,
            batch_size=self._batch_size,
            device=torch.cuda.get_device_name() if _is_on_gpu(trainer) else "cpu",
            num_threads=torch.get_num_threads(),
        )
        write_step_time(found, self._folder)


def _is_on_gpu(trainer: L.Trainer) -> bool:
    return trainer.strategy.root_device.type == "cuda"
