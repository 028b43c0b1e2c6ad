"""Train in this process: for trainings of seconds, where starting another one takes longer."""

import logging
import warnings
from pathlib import Path

from filelock import FileLock

from pipelines.atomic import write_text
from pipelines.train import CHECKPOINT
from pipelines.training_job import TrainingJob, write_job

__all__ = ["train_here"]

_DONE = "done"  # as `pipelines.train` writes it, so that either finds the other's


def train_here(job: TrainingJob, *, folder: Path) -> Path:
    """Train as `pipelines.train.train` does, with the same files, but in this process."""
    # Imported here: Lightning takes a quarter of the time that a flow needs to start, and most
    # trainings run in a process of their own.
    from pipelines.training_process import run_training

    done, checkpoint = folder / _DONE, folder / CHECKPOINT
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if checkpoint.is_file() and done.is_file():
            if done.read_text(encoding="utf-8") == job.fingerprint:
                return checkpoint
        write_job(job, folder / "job.json")
        lightning = logging.getLogger("lightning.pytorch")
        level = lightning.level
        lightning.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                # As in `pipelines.training_process`.
                warnings.filterwarnings("ignore", message=".*does not have many workers.*")
                warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
                warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
                run_training(job, folder)
        finally:
            lightning.setLevel(level)
        write_text(done, job.fingerprint)
    return checkpoint
