"""How long a training's steps took, kept beside its checkpoint: `step_time.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.atomic import write_text

__all__ = ["StepTime", "read_step_time", "write_step_time"]

_FILE = "step_time.json"


@dataclass(frozen=True)
class StepTime:
    """The time of a training step as it was trained, beside whatever the machine did then.

    Attributes:
        seconds: mean over the batches of the quickest epoch, reading them and writing states to
            resume from included, without validation.
        batch_size: windows in a batch, on each device.
        device: the GPU's name, or cpu.
        num_threads: of PyTorch on the CPU.
    """

    seconds: float
    batch_size: int
    device: str
    num_threads: int


def read_step_time(folder: Path) -> StepTime | None:
    """Read that of the training in a folder; None where it kept none."""
    path = folder / _FILE
    if not path.is_file():
        return None
    return StepTime(**json.loads(path.read_text(encoding="utf-8")))


def write_step_time(found: StepTime, folder: Path) -> None:
    """Keep it in the training's folder."""
    write_text(folder / _FILE, json.dumps(asdict(found)))
