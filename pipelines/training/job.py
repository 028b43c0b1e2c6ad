"""A training job: everything one training needs, as one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from met2net.data.windows import WindowSpec
from met2net.training.settings import OptimizationSettings
from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint
from pipelines.memory_limit import parse_memory_limit
from pipelines.training.initial_weights import InitialWeights
from pipelines.training.own_schedule import admit_schedule

__all__ = ["TrainerSettings", "TrainingJob", "read_job", "write_job"]

_FORMAT = 4
"""Raised whenever the same settings would train another network, so that nothing kept is taken for
it: a finished training, or the state that an interrupted one left."""


@dataclass(frozen=True)
class TrainerSettings:
    """Where a training runs; changes no result beyond rounding.

    Attributes:
        accelerator: `cpu` or `gpu`.
        devices: processes on each machine, each on a device of its own. More than one are
            started by torchrun.
        num_nodes: machines that train together; the training's folder is on storage that all
            of them see.
        rendezvous: `host:port` on the first machine, where several meet.
        at_once: trainings beside each other, where an experiment has several models; on the CPU
            they share its cores, and each needs its own memory.
        num_threads: threads of each process on the CPU; None leaves PyTorch's choice, or shares
            its threads out among trainings beside each other.
        compile: compile parts of the network with `torch.compile`; needs a C++ compiler.
        recompute_activations: save memory by computing the insides of blocks twice.
        deterministic: refuse operations whose results differ from run to run, and choose
            algorithms whose results do not; on a GPU at some cost in speed.
        memory_limit: of the training set's fields, as `4GiB`: up to it they are mapped into
            memory, above it read from the store batch by batch.
        prefetch: batches read ahead.
        fields_on_device: hold all fields on each device; for sets that leave room for the
            network.
        checkpoint_minutes: time after which a state to resume from is written inside an epoch;
            None: only at the end of each.
        loss_factor: a loss above so many times the median of the last `loss_window` stops the
            training, as one that is not finite does; None: no limit.
        loss_window: batches that the median is over.

    Raises:
        ValueError: if a value is out of range.
    """

    accelerator: Literal["cpu", "gpu"] = "cpu"
    devices: int = 1
    num_nodes: int = 1
    rendezvous: str | None = None
    at_once: int = 1
    num_threads: int | None = None
    compile: bool = False
    recompute_activations: bool = False
    deterministic: bool = False
    memory_limit: str = "4GiB"
    prefetch: int = 2
    fields_on_device: bool = False
    checkpoint_minutes: float | None = 10.0
    loss_factor: float | None = 1000.0
    loss_window: int = 100

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.accelerator not in ("cpu", "gpu"):
            raise ValueError(f"accelerator is {self.accelerator!r}; expected cpu or gpu")
        if self.devices < 1:
            raise ValueError(f"devices is {self.devices}; expected at least 1")
        if self.at_once < 1:
            raise ValueError(f"at_once is {self.at_once}; expected at least 1")
        if self.num_threads is not None and self.num_threads < 1:
            raise ValueError(f"num_threads is {self.num_threads}; expected at least 1, or null")
        if self.num_nodes < 1:
            raise ValueError(f"num_nodes is {self.num_nodes}; expected at least 1")
        if (self.num_nodes > 1) != (self.rendezvous is not None):
            raise ValueError(
                f"rendezvous is {self.rendezvous!r} with {self.num_nodes} machines; expected "
                "host:port where there are several, else null"
            )
        if self.prefetch < 0:
            raise ValueError(f"prefetch is {self.prefetch}; expected at least 0")
        parse_memory_limit(self.memory_limit)
        minutes = self.checkpoint_minutes
        if minutes is not None and not minutes >= 0:
            raise ValueError(f"checkpoint_minutes is {minutes}; expected at least 0, or null")
        if self.loss_factor is not None and not self.loss_factor > 1:
            raise ValueError(f"loss_factor is {self.loss_factor}; expected more than 1, or null")
        if self.loss_window < 1:
            raise ValueError(f"loss_window is {self.loss_window}; expected at least 1")

    @property
    def memory_bytes(self) -> int:
        """`memory_limit` in bytes."""
        return parse_memory_limit(self.memory_limit)

    @property
    def num_processes(self) -> int:
        """Processes of one training on all machines."""
        return self.devices * self.num_nodes

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
        initial_weights: checkpoint to start from, in its normalization; None: from scratch.

    Raises:
        DataError: if precision and accelerator do not go together.
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
    initial_weights: InitialWeights | None = None

    def __post_init__(self) -> None:
        """Check what no part knows alone."""
        if self.optimization.precision == "16-mixed" and self.trainer.accelerator == "cpu":
            raise DataError(
                "precision is '16-mixed' with accelerator 'cpu'; expected 'bf16-mixed' or "
                "'32-true', or a gpu"
            )

    @property
    def fingerprint(self) -> str:
        """Names what the result depends on: not where things lie or run, not who asked.

        How many processes train together counts: each takes a batch of its own.
        """
        start = [] if self.initial_weights is None else [self.initial_weights.sha256]
        processes = [] if self.trainer.num_processes == 1 else [self.trainer.num_processes]
        algorithms = ["deterministic"] if self.trainer.deterministic else []
        return fingerprint(
            _FORMAT,
            self.training_set_fingerprint,
            self.window,
            self.network,
            self.objective,
            self.optimization,
            *start,
            *processes,
            *algorithms,
        )

    @property
    def folder_name(self) -> str:
        """Name of the training's folder: the innermost network's class and the fingerprint."""
        network = self.network
        while isinstance(network.get("forecaster"), Mapping):
            network = network["forecaster"]
        return f"{str(network['_target_']).rpartition('.')[2].lower()}-{self.fingerprint}"


def write_job(job: TrainingJob, path: Path) -> None:
    """Write a job as JSON."""
    write_text(path, json.dumps(asdict(job), indent=2))


def read_job(path: Path) -> TrainingJob:
    """Read a job that `write_job` wrote."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    window: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in plain["window"].items()
    }
    plain["window"] = WindowSpec(**window)
    admit_schedule(plain["optimization"]["schedule"])
    plain["optimization"] = OptimizationSettings(**plain["optimization"])
    plain["trainer"] = TrainerSettings(**plain["trainer"])
    if plain.get("initial_weights") is not None:
        plain["initial_weights"] = InitialWeights(**plain["initial_weights"])
    return TrainingJob(**plain)
