"""Train one model in a process of its own; continue it where it stopped."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.atomic import write_text
from pipelines.training_job import TrainingJob, write_job

__all__ = ["CHECKPOINT", "TrainingError", "train"]

CHECKPOINT = "model.safetensors"
_DONE = "done"  # holds the fingerprint of the job that the checkpoint came from

logger = logging.getLogger(__name__)


class TrainingError(RuntimeError):
    """A training ended without a model; the message says how, and how to go on."""


def train(job: TrainingJob, *, folder: Path) -> Path:
    """Train, or give the checkpoint that is there already for exactly this job.

    The folder keeps `job.json`, `checkpoints/` (to resume from), `metrics.csv` (one line an
    epoch) and `model.safetensors` (the best epoch's inference weights). A training that was
    killed goes on from its last checkpoint when the same job is asked for again. The
    training process ends when this one does.

    Returns:
        Path of the checkpoint.

    Raises:
        TrainingError: if the process fails, or another one trains in this folder.
    """
    checkpoint = folder / CHECKPOINT
    if _is_done(folder, job):
        logger.info("%s: trained already (%s)", job.name, checkpoint)
        return checkpoint
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            write_job(job, folder / "job.json")
            _run_process(job.name, folder)
            write_text(folder / _DONE, job.fingerprint)
    except Timeout as error:
        raise TrainingError(f"another process trains in {folder}; wait for it to end") from error
    return checkpoint


def _is_done(folder: Path, job: TrainingJob) -> bool:
    """Tell whether the folder holds the finished result of exactly this job."""
    done = folder / _DONE
    return (
        done.is_file()
        and (folder / CHECKPOINT).is_file()
        and done.read_text(encoding="utf-8") == job.fingerprint
    )


def _run_process(name: str, folder: Path) -> None:
    """Run the training process; its standard input is the line that tells it we live."""
    command = [sys.executable, "-m", "pipelines.training_process", str(folder / "job.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            raise
    if status < 0:
        how = f"was ended by {signal.Signals(-status).name}"
    else:
        how = f"ended with status {status}"
    if status != 0:
        raise TrainingError(
            f"training of {name} {how}; run the same command again to continue from the last "
            f"checkpoint in {folder / 'checkpoints'}"
        )
