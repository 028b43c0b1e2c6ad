"""The training process: `python -m pipelines.training_process job.json`."""

import csv
import io
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from met2net.checkpoint import Checkpoint, save_checkpoint
from met2net.models.build import build
from met2net.models.reference_frame import ReferenceFrame
from met2net.training.module import ForecastModule
from met2net.training_set import TrainingSet
from met2net.windows import WindowDataset
from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.train import CHECKPOINT
from pipelines.training_job import TrainingJob, read_job

__all__ = ["run_training"]

logger = logging.getLogger("met2net.training")


class StepSeed(L.Callback):
    """Seeds every step by its number, so that a resumed training equals an undisturbed one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed what the step draws: drop path."""
        del pl_module, batch, batch_idx
        torch.manual_seed(self._seed * 1_000_003 + trainer.global_step)


class EpochMetrics(L.Callback):
    """Keeps one row of metrics an epoch, in `metrics.csv` and in the resume file."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
        columns = list(dict.fromkeys(key for each in self._rows for key in each))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_text(self._path, text.getvalue())
        parts = ", ".join(f"{key} {value:.4f}" for key, value in row.items() if key != "epoch")
        logger.info("epoch %d of %s: %s", trainer.current_epoch + 1, trainer.max_epochs, parts)


def run_training(job: TrainingJob, folder: Path) -> Path:
    """Train the job's network; write the best epoch's weights as a checkpoint.

    Raises:
        DataError: if a split has no window.
    """
    if job.trainer.num_threads is not None:
        torch.set_num_threads(job.trainer.num_threads)
    L.seed_everything(job.optimization.seed, workers=True, verbose=False)
    data = TrainingSet.open(Path(job.training_set))
    network = build(job.network)
    if isinstance(network, ReferenceFrame):
        network.set_scale(torch.from_numpy(data.difference_std / data.normalizer.std))
    module = ForecastModule(network, build(job.objective), job.optimization)
    checkpoints = folder / "checkpoints"
    best = ModelCheckpoint(
        checkpoints, filename="best", monitor="val_mse", save_top_k=1, save_last=True,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[L.Callback] = [
        StepSeed(job.optimization.seed),
        EpochMetrics(folder / "metrics.csv"),
        best,
    ]
    if job.optimization.patience is not None:
        callbacks.append(EarlyStopping("val_mse", patience=job.optimization.patience))
    interactive = sys.stderr.isatty()
    if interactive:
        callbacks.append(TQDMProgressBar(leave=True))
    trainer = L.Trainer(
        accelerator=job.trainer.accelerator,
        devices=job.trainer.devices,
        precision=job.optimization.precision,
        max_epochs=job.optimization.max_epochs,
        limit_train_batches=job.optimization.batches_per_epoch or 1.0,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=interactive,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    last = checkpoints / "last.ckpt"
    if last.is_file():
        logger.info("%s: continuing from %s", job.name, last)
    trainer.fit(
        module,
        _loader(data, job, "train"),
        _loader(data, job, "validation"),
        ckpt_path=last if last.is_file() else None,
        weights_only=True,
    )
    if trainer.is_global_zero:
        state = torch.load(checkpoints / "best.ckpt", map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
        save_checkpoint(folder / CHECKPOINT, _checkpoint(job, module, data))
    return folder / CHECKPOINT


def _loader(data: TrainingSet, job: TrainingJob, split: str) -> DataLoader[Any]:
    """Give batches of a split's windows; shuffled for training."""
    windows: WindowDataset = data.windows(split, job.window)
    if len(windows) == 0:
        hours = int(data.in_split(split).sum())
        span = job.window.target_hours[-1] - job.window.input_hours[0] + 1
        raise DataError(
            f"the {split} split has {hours} hours and not one complete window; "
            f"a window spans {span} hours"
        )
    training = split == "train"
    # Shuffles by seed and epoch alone; Lightning tells it the epoch and, on several devices,
    # puts one with that many replicas in its place.
    sampler = DistributedSampler(
        windows, num_replicas=1, rank=0, shuffle=training, seed=job.optimization.seed
    )  # fmt: skip
    return DataLoader(
        windows,
        batch_size=job.optimization.batch_size,
        sampler=sampler,
        # A last batch of one sample would give batch statistics of a single point.
        drop_last=training and len(windows) > job.optimization.batch_size,
    )


def _checkpoint(job: TrainingJob, module: ForecastModule, data: TrainingSet) -> Checkpoint:
    """Gather all that inference needs."""
    return Checkpoint(
        network=module.network.eval(),
        settings=dict(job.network),
        normalizer=data.normalizer,
        grid=data.grid,
        window=job.window,
        variables=dict(data.variables),
        units=data.units,
        provenance=dict(job.provenance),
    )


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went."""

    def watch() -> None:
        # Unbuffered: a buffered reader's lock would still be held when the process ends.
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)  # end of file: the other end is gone

    threading.Thread(target=watch, daemon=True).start()


def main(path: Path) -> int:
    """Run a job file; a user's mistake ends with one line and status 2."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Lightning advises on loader workers; windows come from memory, workers would only copy.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # A resumed training finds its own checkpoints.
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    # Lightning 2.6 with torch 2.13.
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    try:
        run_training(read_job(path), path.parent)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    _end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
