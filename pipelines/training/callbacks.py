"""What a training process does around its steps: seeds, metrics and states to resume from."""

import csv
import io
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch

from met2net.training.module import ForecastModule
from pipelines.atomic import write_text

__all__ = ["EpochMetrics", "LoaderPlace", "MidEpochCheckpoint", "StepSeed"]

logger = logging.getLogger("met2net.training")


class StepSeed(L.Callback):
    """Seeds every batch by its number, so that a resumed training equals an undisturbed one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed what the batch draws, drop path, differently on every device."""
        del pl_module, batch
        number = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx
        device = self._seed * trainer.world_size + trainer.global_rank
        torch.manual_seed(device * 1_000_003 + number)


class EpochMetrics(L.Callback):
    """Keeps one row of metrics an epoch, in `metrics.csv` and in the resume file."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._path, self._name = path, name
        self._rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Give the rows, so that a resumed training keeps its whole curve."""
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back the rows of the epochs before the stop."""
        self._rows = list(state_dict["rows"])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write all rows anew; the file is small."""
        del pl_module
        row = {"epoch": float(trainer.current_epoch)}
        row |= {key: float(value) for key, value in sorted(trainer.callback_metrics.items())}
        self._rows.append(row)
        if not trainer.is_global_zero:
            return
        columns = list(dict.fromkeys(key for each in self._rows for key in each))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_text(self._path, text.getvalue())
        parts = ", ".join(f"{key} {value:.4f}" for key, value in row.items() if key != "epoch")
        logger.info(
            "%s, epoch %d of %s: %s", self._name, trainer.current_epoch + 1, trainer.max_epochs,
            parts,
        )  # fmt: skip


class LoaderPlace(L.Callback):
    """Keeps the place inside an epoch, so that a resumed training goes on with the next batch.

    Lightning keeps it too, but does not give it back where the number of batches was asked for
    before the resume, as a schedule does.
    """

    def __init__(self) -> None:
        self._place: dict[str, int] | None = None
        self._trainer: L.Trainer | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Remember whose loader it is."""
        del pl_module, stage
        self._trainer = trainer

    def state_dict(self) -> dict[str, Any]:
        """Give the loader's place."""
        assert self._trainer is not None and self._trainer.train_dataloader is not None
        return {"place": self._trainer.train_dataloader.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the place until there is a loader."""
        self._place = dict(state_dict["place"])

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the loader there before it gives its first batch."""
        del pl_module
        if self._place is not None:
            assert trainer.train_dataloader is not None
            trainer.train_dataloader.load_state_dict(self._place)
            self._place = None


class MidEpochCheckpoint(L.Callback):
    """Writes the state to resume from every so many minutes, always between two steps.

    Args:
        path: of the file, replaced at once.
        minutes: at least so long after the last one.
        clock: gives seconds.
    """

    def __init__(
        self, path: Path, *, minutes: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._seconds = 60 * minutes
        self._clock = clock
        self._last = clock()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write if it is time; the first device decides for all."""
        del outputs, batch, batch_idx
        assert isinstance(pl_module, ForecastModule)
        # At the end of an epoch, its own checkpoint follows.
        if not pl_module.is_between_steps or trainer.is_last_batch:
            return
        if trainer.strategy.broadcast(self._clock() - self._last >= self._seconds):
            trainer.save_checkpoint(self._path, weights_only=False)  # with Adam's state
            self._last = self._clock()
