"""A training job: everything one training needs, as one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from met2net.training.settings import OptimizationSettings
from met2net.windows import WindowSpec
from pipelines.atomic import write_text
from pipelines.fingerprint import fingerprint

__all__ = ["TrainerSettings", "TrainingJob", "read_job", "write_job"]


@dataclass(frozen=True)
class TrainerSettings:
    """Where a training runs; changes no result beyond rounding.

    Attributes:
        accelerator: `cpu` or `gpu`.
        devices: processes of one training, each on a device of its own.
        num_threads: threads of each process on the CPU; None leaves PyTorch's choice.

    Raises:
        ValueError: if a value is out of range.
    """

    accelerator: Literal["cpu", "gpu"] = "cpu"
    devices: int = 1
    num_threads: int | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.accelerator not in ("cpu", "gpu"):
            raise ValueError(f"accelerator is {self.accelerator!r}; expected cpu or gpu")
        if self.devices < 1:
            raise ValueError(f"devices is {self.devices}; expected at least 1")
        if self.num_threads is not None and self.num_threads < 1:
            raise ValueError(f"num_threads is {self.num_threads}; expected at least 1, or null")

    @property
    def torch_device(self) -> str:
        """Name of the device for PyTorch."""
        return "cuda" if self.accelerator == "gpu" else "cpu"


@dataclass(frozen=True)
class TrainingJob:
    """One model to train on one training set.

    Attributes:
        name: the model's name in tables and folders.
        training_set: path of the store.
        training_set_fingerprint: names its content.
        network: settings for `met2net.models.build`.
        objective: settings for `met2net.models.build`.
        provenance: plain strings that travel in the checkpoint.
    """

    name: str
    training_set: str
    training_set_fingerprint: str
    window: WindowSpec
    network: Mapping[str, Any]
    objective: Mapping[str, Any]
    optimization: OptimizationSettings
    trainer: TrainerSettings
    provenance: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Names what the result depends on: not where things lie or run, not who asked."""
        return fingerprint(
            self.name,
            self.training_set_fingerprint,
            self.window,
            self.network,
            self.objective,
            self.optimization,
        )


def write_job(job: TrainingJob, path: Path) -> None:
    """Write a job as JSON."""
    write_text(path, json.dumps(asdict(job), indent=2))


def read_job(path: Path) -> TrainingJob:
    """Read a job that `write_job` wrote."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    window = {k: tuple(v) if isinstance(v, list) else v for k, v in plain["window"].items()}
    plain["window"] = WindowSpec(**window)
    plain["optimization"] = OptimizationSettings(**plain["optimization"])
    plain["trainer"] = TrainerSettings(**plain["trainer"])
    return TrainingJob(**plain)
