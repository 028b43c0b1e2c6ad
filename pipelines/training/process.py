"""The training process: `python -m pipelines.training.process job.json`.

With `--end-with-parent` it ends when its standard input does.
"""

import logging
import os
import pickle
import sys
import threading
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.callbacks import ModelCheckpoint

from met2net.checkpoint import Checkpoint, save_checkpoint
from met2net.data.renormalized_training_set import with_normalizer
from met2net.data.training_set import TrainingSet
from met2net.models.build import build
from met2net.training.compilation import compile_parts
from met2net.training.devices import DataParallel
from met2net.training.freed_memory import keep_freed_memory
from met2net.training.module import ForecastModule
from met2net.training.patience import ForecastPatience
from met2net.training.references import fit_objective, set_references
from met2net.training.repeated_blocks import recompute_activations
from pipelines.errors import DataError, TrainingError, as_data_error
from pipelines.training.bar import TrainingBar
from pipelines.training.callbacks import (
    EpochMetrics,
    LoaderPlace,
    MidEpochCheckpoint,
    StepSeed,
)
from pipelines.training.data_module import WindowModule
from pipelines.training.job import TrainerSettings, TrainingJob, read_job
from pipelines.training.loss_guard import LossGuard
from pipelines.training.step_clock import StepClock
from pipelines.training.train import CHECKPOINT, DIVERGED, END_WITH_PARENT
from pipelines.training.warm_start import load_initial
from pipelines.training.whole_checkpoints import WholeCheckpoints
from pipelines.training_sets.ridge import fitted_ridge

__all__ = ["run_training"]

LAST = "last.ckpt"  # of the states to resume from

logger = logging.getLogger("met2net.training")


def run_training(job: TrainingJob, folder: Path) -> Path:
    """Train the job's network; write the best epoch's weights as a checkpoint.

    Raises:
        DataError: if a split has no window, the weights to start from do not fit, or the state
            to resume from cannot be read.
        TrainingError: if the loss is not finite, or explodes.
    """
    if job.trainer.num_threads is not None:
        torch.set_num_threads(job.trainer.num_threads)
    L.seed_everything(job.optimization.seed, workers=True, verbose=False)
    data = TrainingSet.open(Path(job.training_set), memory_limit=job.trainer.memory_bytes)
    start = load_initial(job, data)
    if start is not None:
        data = with_normalizer(data, start.normalizer)
    windows = WindowModule(
        data, job, prefetch=job.trainer.prefetch, on_device=job.trainer.fields_on_device
    )
    network = build(job.network)
    if start is not None:
        network.load_state_dict(start.network.state_dict())
    else:
        set_references(
            network,
            data,
            window=job.window,
            ridge=lambda: fitted_ridge(data, window=job.window),
        )
    objective = build(job.objective)
    fit_objective(objective, data, window=job.window)
    module = ForecastModule(network, objective, job.optimization)
    _prepare(module, job.trainer)
    checkpoints = folder / "checkpoints"
    trainer = _trainer(job, folder)
    last = _resumable(checkpoints / LAST)
    if last is not None:
        logger.info("%s: continuing from %s", job.name, last)
    trainer.fit(module, datamodule=windows, ckpt_path=last, weights_only=True)
    if trainer.is_global_zero:
        state = torch.load(checkpoints / "best.ckpt", map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
        save_checkpoint(folder / CHECKPOINT, _checkpoint(job, module, data))
    return folder / CHECKPOINT


def _resumable(last: Path) -> Path | None:
    """Give the state to resume from, if there is one; refuse what holds more than plain values."""
    if not last.is_file():
        return None
    try:
        torch.load(last, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(
            f"{last} is damaged, or holds more than tensors and plain values "
            f"({type(error).__name__}); delete it to train from the start"
        ) from error
    return last


def _prepare(module: ForecastModule, settings: TrainerSettings) -> None:
    """Change how the network runs, not what it computes."""
    if settings.recompute_activations:
        with as_data_error():
            recompute_activations(module)
    if settings.compile:
        compile_parts(module.network, copies=module.objective)


def _trainer(job: TrainingJob, folder: Path) -> L.Trainer:
    """Set Lightning up."""
    settings, checkpoints = job.trainer, folder / "checkpoints"
    best = ModelCheckpoint(
        checkpoints, filename="best", monitor="val_mse", save_top_k=1, save_last=True,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[L.Callback] = [
        StepSeed(job.optimization.seed),
        LoaderPlace(),
        LossGuard(
            folder,
            name=job.name,
            factor=settings.loss_factor,
            window=settings.loss_window,
            is_scaled=job.optimization.precision == "16-mixed",
        ),
        StepClock(folder, batch_size=job.optimization.batch_size),
        EpochMetrics(folder / "metrics.csv", name=job.name),
        best,
    ]
    if settings.checkpoint_minutes is not None:
        callbacks.append(
            MidEpochCheckpoint(checkpoints / LAST, minutes=settings.checkpoint_minutes)
        )
    if job.optimization.patience is not None:
        callbacks.append(ForecastPatience(job.optimization.patience))
    callbacks.append(TrainingBar(job.name, beside_others=settings.at_once > 1))
    return L.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=DataParallel() if settings.num_processes > 1 else "auto",
        use_distributed_sampler=False,  # the loader shares windows out by itself
        deterministic=settings.deterministic,
        precision=job.optimization.precision,
        max_epochs=job.optimization.max_epochs,
        limit_train_batches=job.optimization.batches_per_epoch or 1.0,
        callbacks=callbacks,
        # A scheduler's variables (SLURM_NTASKS, ...) are of the job that this process runs in, and
        # do not say how many processes train.
        plugins=[
            WholeCheckpoints(),
            TorchElasticEnvironment() if settings.num_processes > 1 else LightningEnvironment(),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )


def _checkpoint(job: TrainingJob, module: ForecastModule, data: TrainingSet) -> Checkpoint:
    """Gather all that inference needs."""
    return Checkpoint(
        network=module.evaluated_network.eval(),
        settings=dict(job.network),
        normalizer=data.normalizer,
        grid=data.grid,
        window=job.window,
        variables=dict(data.variables),
        units=data.units,
        provenance=dict(job.provenance),
        valid=data.valid,
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
    """Run a job file; a user's mistake, or a loss that is no number, ends with one line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Lightning advises on loader workers; windows come from memory, workers would only copy.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # A resumed training finds its own checkpoints.
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    # Lightning 2.6 with torch 2.13.
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    # With fp16, the first steps may overflow and be left out, as its scaling finds its range.
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
    try:
        job = read_job(path)
        if job.trainer.accelerator == "cpu":
            keep_freed_memory()
        run_training(job, path.parent)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return DIVERGED
    return 0


if __name__ == "__main__":
    if END_WITH_PARENT in sys.argv[2:]:
        _end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
