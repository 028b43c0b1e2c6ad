"""One model trained, for every flow that trains: once, on a GPU that nobody else uses."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from flows.stages.gpu_slot import gpu_slot
from pipelines.training.job import TrainingJob
from pipelines.training.train import CHECKPOINT, is_trained, train

__all__ = ["train_model"]


def _train(job: TrainingJob, folder: Path) -> Path:
    """Train in a process of its own."""
    return train(job, folder=folder)


def _unseen(folder: Path) -> AbstractContextManager[None]:
    """Show a training nowhere."""
    return nullcontext()


def train_model(
    job: TrainingJob,
    *,
    workspace: Path,
    shown: Callable[[Path], AbstractContextManager[None]] = _unseen,
    train: Callable[[TrainingJob, Path], Path] = _train,
) -> Path:
    """Train one model, or find it trained for whatever run: then no GPU is waited for.

    Args:
        job: what to train.
        workspace: keeps all trainings, each under the name of its job.
        shown: given the training's folder, shows it while it runs.
        train: trains a job in a folder.

    Returns:
        Its checkpoint; the folder around it is the training's.

    Raises:
        DataError: if the training process refuses its job.
        TrainingError: if it fails.
    """
    folder = workspace / "trainings" / job.folder_name
    if not is_trained(job, folder):
        with gpu_slot(job.trainer.torch_device), shown(folder):
            train(job, folder)
    return folder / CHECKPOINT
