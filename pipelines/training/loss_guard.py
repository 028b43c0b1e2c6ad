"""Stops a training whose loss is no number, or explodes, and says which batch it was."""

import json
import math
import statistics
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from torch import Tensor

from met2net.training.module import ForecastModule
from pipelines.atomic import write_text
from pipelines.errors import TrainingError
from pipelines.training.train import BAD_BATCH

__all__ = ["LossGuard"]

_LAG = 2  # batches after which a loss is looked at, so that nobody waits for a GPU
_SKIPPED_STEPS = 20  # in a row that scaled fp16 may leave out while its scaling finds its range


@dataclass(frozen=True)
class _Batch:
    """What is known of a batch whose loss may not have been computed yet."""

    epoch: int
    number: int
    step: int
    loss: Tensor
    init_times: Tensor


class LossGuard(L.Callback):
    """Looks at the loss of every batch before any state that came of it is saved.

    A loss that is not finite stops the training; so does one above `factor` times the median
    of the last `window` losses, once there are so many. With scaled fp16, a loss that is not
    finite has its step left out and harms nothing: 20 in a row are let pass.

    Args:
        folder: of the training; the batch is written there.
        name: of the model, for the message.
        factor: of the median; None: any finite loss is well.
        window: losses that the median is over.
        is_scaled: whether losses are scaled against underflow, and steps may be left out.
    """

    def __init__(
        self, folder: Path, *, name: str, factor: float | None, window: int, is_scaled: bool
    ) -> None:
        self._folder = folder
        self._name = name
        self._factor = factor
        self._tolerated = _SKIPPED_STEPS if is_scaled else 0
        self._waiting: deque[_Batch] = deque()
        self._recent: deque[float] = deque(maxlen=window)
        self._in_a_row = 0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Remember this batch; look at one before it."""
        del outputs
        assert isinstance(pl_module, ForecastModule)
        # Copied: the memory of a batch is used again.
        times = batch["init_time"].detach().clone()
        self._waiting.append(
            _Batch(trainer.current_epoch, batch_idx, trainer.global_step, pl_module.loss, times)
        )
        self._look(keep=0 if trainer.is_last_batch else _LAG)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Look at all batches that the state came of."""
        del trainer, pl_module, checkpoint
        self._look(keep=0)

    def _look(self, *, keep: int) -> None:
        while len(self._waiting) > keep:
            self._check(self._waiting.popleft())

    def _check(self, batch: _Batch) -> None:
        loss = float(batch.loss)
        if not math.isfinite(loss):
            self._in_a_row += 1
            if self._in_a_row > self._tolerated:
                self._stop(batch, loss, "expected a finite number")
            return
        self._in_a_row = 0
        full = len(self._recent) == self._recent.maxlen
        if self._factor is not None and full:
            median = statistics.median(self._recent)
            if loss > self._factor * median:
                self._stop(
                    batch, loss,
                    f"expected at most {self._factor:g} times {median:.4g}, the median of "
                    f"{len(self._recent)} batches before (trainer.loss_factor; null: no limit)",
                )  # fmt: skip
        self._recent.append(loss)

    def _stop(self, batch: _Batch, loss: float, expected: str) -> None:
        """Write the batch down and end the training."""
        times = batch.init_times.cpu().numpy().astype("datetime64[h]").astype(str).tolist()
        path = self._folder / BAD_BATCH
        message = (
            f"{self._name}: loss is {loss:.6g} at epoch {batch.epoch}, batch {batch.number}, "
            f"after step {batch.step}; {expected}. Its {len(times)} windows, init times "
            f"{min(times)} to {max(times)}, are listed in {path}; the last good state stays in "
            f"{self._folder / 'checkpoints'}: run the same command again to continue from it; "
            "where it stops again, look at these hours, or train with a smaller learning_rate "
            "or a gradient_clip"
        )
        write_text(path, json.dumps(
            {"message": message, "epoch": batch.epoch, "batch": batch.number, "step": batch.step,
             "loss": str(np.float64(loss)), "init_times": times},
            indent=1,
        ))  # fmt: skip
        raise TrainingError(message)
