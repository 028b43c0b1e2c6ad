"""Train one model, in a process of its own or in this one; continue it where it stopped."""

import logging
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.atomic import write_text
from pipelines.errors import DataError, TrainingError
from pipelines.training.job import TrainerSettings, TrainingJob, write_job

__all__ = [
    "BAD_BATCH",
    "CHECKPOINT",
    "DIVERGED",
    "END_WITH_PARENT",
    "end_trainings",
    "is_trained",
    "train",
]

BAD_BATCH = "bad_batch.json"
"""The batch that stopped a training, in its folder."""
CHECKPOINT = "model.safetensors"
END_WITH_PARENT = "--end-with-parent"
DIVERGED = 3
"""Status of a training process whose loss was not finite, or exploded."""
_REFUSED = 2  # of a training process that found a user's mistake, and said which
_DONE = "done"  # holds the fingerprint of the job that the checkpoint came from

logger = logging.getLogger(__name__)

_running: set["subprocess.Popen[bytes]"] = set()  # of this process, several where flows share one
_running_lock = threading.Lock()


def train(job: TrainingJob, *, folder: Path, in_process: bool = False) -> Path:
    """Train, or give the checkpoint that is there already for exactly this job.

    The folder keeps `job.json`, `checkpoints/` (to resume from), `metrics.csv` (one line an
    epoch) and `model.safetensors` (the best epoch's inference weights). A training that was
    killed goes on from its last checkpoint when the same job is asked for again. The
    training process ends when this one does.

    Args:
        job: what to train.
        folder: of this training alone.
        in_process: train in this process: for trainings of seconds, where starting another one
            takes longer.

    Returns:
        Path of the checkpoint.

    Raises:
        DataError: if the process refuses its job.
        TrainingError: if the process fails.
    """
    checkpoint = folder / CHECKPOINT
    if is_trained(job, folder):
        logger.info("%s: trained already (%s)", job.name, checkpoint)
        return checkpoint
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, job.name):
        if not is_trained(job, folder):  # by whoever was waited for
            write_job(job, folder / "job.json")
            (_run_here if in_process else _run_process)(job, folder)
            write_text(folder / _DONE, job.fingerprint)
    return checkpoint


def end_trainings() -> None:
    """End all training processes that other threads of this process wait for."""
    with _running_lock:
        for process in _running:
            process.terminate()


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Wait until no other process trains in a folder, as another experiment with this model."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("%s: another process trains in %s; waiting for it to end", name, folder)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_trained(job: TrainingJob, folder: Path) -> bool:
    """Tell whether the folder holds the finished result of exactly this job."""
    done = folder / _DONE
    return (
        done.is_file()
        and (folder / CHECKPOINT).is_file()
        and done.read_text(encoding="utf-8") == job.fingerprint
    )


def _command(settings: TrainerSettings, job_file: Path) -> list[str]:
    """Give the command of the training process, or of the torchrun that starts several."""
    program = ["-m", "pipelines.training.process", str(job_file)]
    if settings.num_processes == 1:
        return [sys.executable, *program]
    if settings.rendezvous is None:
        meeting = ["--rdzv-endpoint=localhost:0", "--local-addr=localhost"]  # any free port
    else:
        meeting = [f"--rdzv-endpoint={settings.rendezvous}"]
    sizes = [f"--nnodes={settings.num_nodes}", f"--nproc-per-node={settings.devices}"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--rdzv-backend=c10d"]
    return [*torchrun, *sizes, *meeting, *program]


def _run_process(job: TrainingJob, folder: Path) -> None:
    """Run the training process; its standard input is the line that tells it we live."""
    name, command = job.name, _command(job.trainer, (folder / "job.json").resolve())
    if job.trainer.num_nodes > 1:
        logger.info(
            "%s: waiting for %d more machines; run on each, in this folder: %s",
            name, job.trainer.num_nodes - 1, " ".join(["python", *command[1:]]),
        )  # fmt: skip
    # A session of its own: Ctrl-C reaches this process, which ends the other without its traceback.
    with subprocess.Popen(
        [*command, END_WITH_PARENT], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        with _running_lock:
            _running.add(process)
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            raise
        finally:
            with _running_lock:
                _running.discard(process)
    if status == DIVERGED:
        raise TrainingError(
            f"training of {name} was stopped by its loss; the line above and "
            f"{folder / BAD_BATCH} say at which batch, and how to continue"
        )
    if status == _REFUSED:
        raise DataError(f"training of {name} was refused; the line above says what is wrong")
    if status < 0:
        raise TrainingError(
            f"training of {name} was ended by {signal.Signals(-status).name}; run the same command "
            f"again to continue from the last checkpoint in {folder / 'checkpoints'}"
        )
    if status != 0:
        raise TrainingError(
            f"training of {name} ended with status {status}; the lines above say why, and once "
            f"that is mended the same command continues from {folder / 'checkpoints'}"
        )


def _run_here(job: TrainingJob, folder: Path) -> None:
    """Train in this process, without Lightning's remarks."""
    # Imported here: Lightning takes a quarter of the time that a flow needs to start, and most
    # trainings run in a process of their own.
    from pipelines.training.process import run_training

    lightning = logging.getLogger("lightning.pytorch")
    level = lightning.level
    lightning.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # As in `pipelines.training.process`.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
            run_training(job, folder)
    finally:
        lightning.setLevel(level)
