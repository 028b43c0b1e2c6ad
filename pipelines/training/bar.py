"""How far a training is: on a terminal, epoch lines above a bar with the time left."""

import logging
import sys
from contextlib import ExitStack
from typing import Any

import lightning as L
from rich.console import Console

from pipelines.progress_bar import Advance, progress_bar

__all__ = ["TrainingBar"]

logger = logging.getLogger("met2net.training")


class TrainingBar(L.Callback):
    """Counts batches of all epochs; a training that ends early ends before the bar is full.

    Args:
        name: of the training.
        beside_others: trainings in other processes share the terminal, where bars would overwrite
            each other: a line a minute instead.
        console: where the bar is drawn; None: standard error.
    """

    def __init__(
        self, name: str, *, beside_others: bool = False, console: Console | None = None
    ) -> None:
        self._name = name
        self._console = console or Console(
            file=sys.stderr, force_terminal=False if beside_others else None
        )
        self._open = ExitStack()
        self._advance: Advance = lambda amount: None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the bar, from where a resumed training goes on."""
        del pl_module
        if not trainer.is_global_zero:
            return
        batches = int(trainer.num_training_batches)
        done = trainer.fit_loop.epoch_loop.batch_progress.total.completed
        self._advance = self._open.enter_context(
            progress_bar(
                f"training {self._name}", (trainer.max_epochs or 0) * batches, unit="batches",
                done=done, console=self._console, logger=logger,
            )
        )  # fmt: skip
        if not self._console.is_terminal:
            return
        # The bar takes standard error's place, so that lines stand above it; handlers kept the
        # stream that was there before.
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.__stderr__:
                handler.setStream(sys.stderr)
                self._open.callback(handler.setStream, sys.__stderr__)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move the bar."""
        del trainer, pl_module, outputs, batch, batch_idx
        self._advance(1)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the bar away."""
        del trainer, pl_module
        self._open.close()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away before the error is told."""
        del trainer, pl_module, exception
        self._open.close()
