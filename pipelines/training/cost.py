"""What one network costs: weights, multiply-adds, memory and time of a training step, measured.

`python -m pipelines.training.cost job.json cost.json` measures in a process of its own, whose
memory nobody else uses.
"""

import json
import logging
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from met2net.data.training_set import TrainingSet
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.build import build
from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.wrapper import innermost, run_network
from met2net.training.objective import Objective
from met2net.training.references import set_any_references
from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint
from pipelines.training.job import TrainingJob, read_job, write_job

__all__ = ["TrainingCost", "measure_cost", "training_cost"]

Batch = tuple[Tensor, Tensor, Tensor]  # inputs, targets, init times
_STEPS = 3  # timed, after one that is not
_MIB = 2**20
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingCost:
    """Cost of one network.

    Attributes:
        params: weights of one network [1e6]; of several a variable each, their mean.
        num_models: networks that forecast all variables together.
        multiply_adds: of one forecast of all variables [1e9]: products in convolutions and
            matrix products, as PyTorch counts them; of several networks their mean.
        training_multiply_adds: of the forward passes of a training step, a window [1e9].
        memory: peak of network, gradients, optimizer and activations in training [MiB]; None
            where the system does not tell.
        step_time: quickest of several training steps [s].
        batch_size: windows of such a step.
        device: where.
        num_threads: of PyTorch on the CPU.
    """

    params: float
    num_models: int
    multiply_adds: float
    training_multiply_adds: float
    memory: float | None
    step_time: float
    batch_size: int
    device: str
    num_threads: int


def training_cost(job: TrainingJob, *, folder: Path, in_process: bool = False) -> TrainingCost:
    """Measure a job's network, or give what was measured before on the same kind of device.

    Args:
        job: network, objective, batch size and device; its training set gives the shape.
        folder: `cost-<key>.json` is kept in it.
        in_process: measure here; quicker, but the memory is then only a rough figure.

    Raises:
        DataError: if the measuring process fails.
    """
    key = fingerprint(job.fingerprint, job.trainer.torch_device, job.trainer.num_threads)
    path = folder / f"cost-{key}.json"
    if not path.is_file():
        if in_process:
            write_text(path, json.dumps(asdict(measure_cost(job))))
        else:
            job_file = folder / f"cost-{key}-job.json"
            write_job(job, job_file)
            _run_process(job, job_file, path)
    return TrainingCost(**json.loads(path.read_text(encoding="utf-8")))


def measure_cost(job: TrainingJob, *, frame: tuple[int, int, int] | None = None) -> TrainingCost:
    """Train a few steps on noise of the data's shape and measure; keep nothing.

    Args:
        job: what to train, and where.
        frame: channels, rows and columns; None: those of the job's training set.
    """
    device, batch_size = job.trainer.torch_device, job.optimization.batch_size
    if job.trainer.num_threads is not None:
        torch.set_num_threads(job.trainer.num_threads)
    if frame is None:
        _, *shape = TrainingSet.open(Path(job.training_set)).fields.shape
        frame = (shape[0], shape[1], shape[2])
    num = (job.window.num_inputs, job.window.num_targets)
    torch.manual_seed(0)
    inputs, targets = (torch.randn(batch_size, n, *frame, device=device) for n in num)
    init_time = torch.zeros(batch_size, dtype=torch.int64, device=device)
    batch = inputs, targets, init_time
    one = inputs[:1], targets[:1], init_time[:1]
    before = _start_memory(device)
    network, objective = build(job.network), build(job.objective)
    set_any_references(network)
    network.to(device).train()
    objective.prepare(network)
    # Objectives that switch later are measured at their start, with the steps of the job's kind.
    objective.set_total_steps(10**6)
    objective.to(device).train()
    seconds = _time_steps(network, objective, batch, device=device)
    memory = _peak_memory(device)
    num_networks = _num_networks(network)
    weights = sum(weight.numel() for weight in network.parameters())
    return TrainingCost(
        params=weights / num_networks / 1e6,
        num_models=num_networks,
        multiply_adds=_forecast_multiply_adds(network, one) / num_networks / 1e9,
        training_multiply_adds=_training_multiply_adds(network, objective, one)
        / num_networks / 1e9,
        memory=None if memory is None or before is None else (memory - before) / _MIB,
        step_time=seconds,
        batch_size=batch_size,
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        num_threads=torch.get_num_threads(),
    )  # fmt: skip


def _run_process(job: TrainingJob, job_file: Path, path: Path) -> None:
    """Measure in a new process."""
    logger.info("%s: measuring a training step", job.name)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.training.cost", str(job_file), str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"measuring {job.name} ended with status {done.returncode}: {last}")


def _num_networks(network: nn.Module) -> int:
    inner = innermost(network)
    return len(inner.forecasters) if isinstance(inner, PerVariable) else 1


def _time_steps(network: nn.Module, objective: Objective, batch: Batch, *, device: str) -> float:
    """Give the quickest of a few training steps [s], stage by stage as in training."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-6)
    times = []
    for _ in range(1 + _STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        for stage in objective.stages(network, *batch):
            stage["loss"].backward()
        optimizer.step()
        objective.after_step(network)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _forecast_multiply_adds(network: nn.Module, batch: Batch) -> float:
    inputs, _, init_time = batch
    counter = FlopCounterMode(display=False)
    with evaluation_mode(network), torch.no_grad(), counter:
        run_network(network, inputs, init_time)
    return counter.get_total_flops() / 2


def _training_multiply_adds(network: nn.Module, objective: Objective, batch: Batch) -> float:
    """Count the forward passes of all stages; without gradients they cost the same."""
    counter = FlopCounterMode(display=False)
    with evaluation_mode(network), torch.no_grad(), counter:
        objective.eval()(network, *batch)
    return counter.get_total_flops() / 2


def _start_memory(device: str) -> int | None:
    """Forget earlier peaks; give the bytes in use."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if not _CLEAR.exists():
        return None
    _CLEAR.write_text("5")  # resets the peak, VmHWM
    return _memory("VmRSS")


def _peak_memory(device: str) -> int | None:
    """Give the largest number of bytes in use since."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else _memory("VmHWM")


def _memory(key: str) -> int | None:
    """Read one line of the process's own status, where the system has it."""
    if not _STATUS.exists():
        return None
    found = re.search(rf"^{key}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return None if found is None else 1024 * int(found[1])


if __name__ == "__main__":
    result = measure_cost(read_job(Path(sys.argv[1])))
    write_text(Path(sys.argv[2]), json.dumps(asdict(result)))
