"""The windows of a training, for Lightning."""

import logging

import lightning as L

from met2net.data.batches import BatchOrder, WindowBatches
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowDataset
from pipelines.training.batches_in_epoch import batches_in_epoch
from pipelines.training.job import TrainingJob
from pipelines.training_sets.windows import windows_in_split

__all__ = ["WindowModule"]

logger = logging.getLogger("met2net.training")


class WindowModule(L.LightningDataModule):
    """Makes the loaders when Lightning knows which of the training's processes this is.

    With `on_device` all fields lie on each process's device, and batches are gathered there.

    Raises:
        DataError: if a split has no window.
    """

    def __init__(
        self, data: TrainingSet, job: TrainingJob, *, prefetch: int = 2, on_device: bool = False
    ) -> None:
        """Cut the windows of both splits.

        Args:
            data: the training set.
            job: window, batch size, seed and accelerator.
            prefetch: batches read ahead.
            on_device: hold all fields on the device; for sets that leave room for the network.
        """
        super().__init__()
        self._data = data
        self._job = job
        self._prefetch = prefetch
        self._on_device = on_device
        self._windows = self._cut()
        self._tell_fewer_batches()

    def setup(self, stage: str) -> None:
        """Move the fields to this process's device, where that is asked for."""
        del stage
        if self._on_device:
            assert self.trainer is not None  # who calls this
            self._data = self._data.on_device(self.trainer.strategy.root_device)
            self._windows = self._cut()

    def _tell_fewer_batches(self) -> None:
        """Say that an epoch has fewer batches than it is asked to take."""
        settings, windows = self._job.optimization, len(self._windows["train"])
        asked = settings.batches_per_epoch
        if asked is None:
            return
        there = batches_in_epoch(
            settings, num_windows=windows, num_devices=self._job.trainer.num_processes
        )
        if there < asked:
            logger.warning(
                "%s: batches_per_epoch is %d, and %d windows make %d batches of %d: an epoch takes "
                "those; for as many steps, more epochs",
                self._job.name, asked, windows, there, settings.batch_size,
            )  # fmt: skip

    def train_dataloader(self) -> WindowBatches:
        """Give shuffled batches, as many on every device."""
        return self._batches("train")

    def val_dataloader(self) -> WindowBatches:
        """Give every window once, on one of the devices."""
        return self._batches("validation")

    def _cut(self) -> dict[str, WindowDataset]:
        splits = ("train", "validation")
        return {split: windows_in_split(self._data, split, self._job.window) for split in splits}

    def _batches(self, split: str) -> WindowBatches:
        windows, settings = self._windows[split], self._job.optimization
        assert self.trainer is not None  # who asks for them
        order = BatchOrder.of_split(
            len(windows), settings.batch_size, training=split == "train", seed=settings.seed,
            rank=self.trainer.global_rank, world_size=self.trainer.world_size,
        )  # fmt: skip
        return WindowBatches(
            windows,
            order,
            prefetch=0 if self._on_device else self._prefetch,
            pin_memory=self._job.trainer.accelerator == "gpu" and not self._on_device,
        )
