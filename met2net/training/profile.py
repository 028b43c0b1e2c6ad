"""Where a training step's time and memory go, and how near it comes to the machine's limit."""

import copy
import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from met2net.data.batches import WindowBatches
from met2net.training.compilation import compile_parts, eager
from met2net.training.flops import BACKWARD_FLOPS
from met2net.training.module import ForecastModule

__all__ = ["Operator", "Section", "StepProfile", "matrix_product_peak", "profile_training"]

_WARM_UP = 2  # batches: one is counted, the other compiles and fills caches


@dataclass(frozen=True)
class Section:
    """A part of a step.

    Attributes:
        name: `data`, `forward 1`, `backward 1` (of the objective's first stage) ...
        seconds: a batch.
        kept_bytes: memory that it leaves behind, less what it frees.
    """

    name: str
    seconds: float
    kept_bytes: float


@dataclass(frozen=True)
class Operator:
    """An operation of PyTorch: time a batch [s] without what it calls, and calls a batch."""

    name: str
    seconds: float
    calls: float


@dataclass(frozen=True)
class StepProfile:
    """Figures of one batch.

    Attributes:
        seconds: wall time of a batch, data included, without the profiler.
        sections: in the order in which they run.
        operators: the costliest first.
        multiply_adds: of all convolutions and matrix products, forward and backward.
        peak: multiply-adds a second of a large matrix product in the same number format.
    """

    seconds: float
    sections: tuple[Section, ...]
    operators: tuple[Operator, ...]
    multiply_adds: float
    peak: float

    @property
    def achieved_share(self) -> float:
        """Share of the peak that training reaches."""
        return self.multiply_adds / self.seconds / self.peak

    def __str__(self) -> str:
        """Give tables."""
        known = sum(section.seconds for section in self.sections)
        lines = [f"{'Section':<24}{'ms':>10}{'share':>8}{'MiB kept':>12}"]
        lines += [
            f"{s.name:<24}{1e3 * s.seconds:>10.1f}{s.seconds / known:>8.1%}"
            f"{s.kept_bytes / 2**20:>12.1f}"
            for s in self.sections
        ]
        lines += ["", f"{'Operator':<44}{'ms':>10}{'share':>8}{'calls':>8}"]
        lines += [
            f"{o.name[:42]:<44}{1e3 * o.seconds:>10.1f}{o.seconds / known:>8.1%}{o.calls:>8.0f}"
            for o in self.operators
        ]
        return "\n".join(
            [
                *lines, "",
                f"One batch: {1e3 * self.seconds:.1f} ms, "
                f"{self.multiply_adds / 1e9:.3f} G multiply-adds",
                f"Matrix product peak: {self.peak / 1e9:.1f} G multiply-adds/s; "
                f"training reaches {self.achieved_share:.1%} of it",
            ]
        )  # fmt: skip


def profile_training(
    module: ForecastModule,
    batches: WindowBatches | DataLoader[Any],
    *,
    accelerator: str = "cpu",
    compile: bool = False,
    num_batches: int = 5,
    num_operators: int = 12,
) -> StepProfile:
    """Train a copy for some batches and measure; the module itself is left as it is.

    Args:
        module: network, objective and settings, number format among them.
        batches: at least 2 + 2 * `num_batches` of them.
        accelerator: `cpu` or `gpu`.
        compile: compile the copy's parts.
        num_batches: to average over; the first half of them times without the profiler.
        num_operators: to list.

    Raises:
        ValueError: if there are too few batches.
    """
    needed = _WARM_UP + 2 * num_batches
    if len(batches) < needed:
        raise ValueError(f"{len(batches)} batches; expected at least {needed} to measure")
    trained = copy.deepcopy(module)
    if compile:
        compile_parts(trained.network, copies=trained.objective)
    watch = _Watch(num_batches, uses_gpu=accelerator == "gpu")
    trainer = L.Trainer(
        accelerator=accelerator, devices=1, precision=module.settings.precision, max_epochs=1,
        limit_train_batches=needed, limit_val_batches=0, callbacks=[watch], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False,
        plugins=[LightningEnvironment()],  # one process, whatever a scheduler's variables say
    )  # fmt: skip
    with warnings.catch_warnings():
        # Nothing is validated here.
        warnings.filterwarnings("ignore", message="You defined a `validation_step` but have no")
        # Lightning 2.6 with torch 2.13.
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
        trainer.fit(trained, batches)
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    return StepProfile(
        seconds=watch.seconds / num_batches,
        sections=watch.sections(),
        operators=watch.operators(num_operators),
        multiply_adds=watch.multiply_adds,
        peak=matrix_product_peak(
            half.get(module.settings.precision, torch.float32),
            device="cuda" if accelerator == "gpu" else "cpu",
        ),
    )


def matrix_product_peak(dtype: torch.dtype, *, device: str, size: int | None = None) -> float:
    """Measure the multiply-adds a second of a square matrix product: the best of several."""
    size = size or (8192 if device == "cuda" else 2048)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        _wait(device == "cuda")
        start = time.perf_counter()
        torch.mm(a, b)
        _wait(device == "cuda")
        best = min(best, time.perf_counter() - start)
    return float(size) ** 3 / best


class _Watch(L.Callback):
    """Counts one batch, warms up with the next, times some, then profiles as many."""

    def __init__(self, num_batches: int, *, uses_gpu: bool) -> None:
        self._num, self._uses_gpu = num_batches, uses_gpu
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if uses_gpu else [])]
        self._profiler = profile(activities=activities, profile_memory=True)
        self._counter = FlopCounterMode(display=False, custom_mapping=BACKWARD_FLOPS)
        self._counting = ExitStack()
        self._start = self._end_of_batch = self._data_seconds = 0.0
        self.seconds = 0.0

    @property
    def multiply_adds(self) -> float:
        return self._counter.get_total_flops() / 2

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            self._counting.enter_context(eager())  # compiled code hides what it does
            self._counting.enter_context(self._counter)
        if batch_idx > _WARM_UP:
            self._data_seconds += time.perf_counter() - self._end_of_batch

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        _wait(self._uses_gpu)
        if batch_idx == 0:
            self._counting.close()
        if batch_idx == _WARM_UP - 1:
            self._start = time.perf_counter()
        if batch_idx == _WARM_UP + self._num - 1:
            self.seconds = time.perf_counter() - self._start
            self._profiler.start()
        if batch_idx == _WARM_UP + 2 * self._num - 1:
            self._profiler.stop()
        self._end_of_batch = time.perf_counter()

    def sections(self) -> tuple[Section, ...]:
        found = {e.key: e for e in self._profiler.key_averages() if _is_section(e.key)}
        # After the last stage the objective is asked once more, and has none.
        found = {k: e for k, e in found.items() if k.replace("forward", "backward") in found}
        # Twice as many batches less one were waited for as were profiled.
        data = Section("data", self._data_seconds / (2 * self._num - 1), 0.0)
        parts = [
            Section(name, self._seconds(found[name]), self._bytes(found[name]) / self._num)
            for name in sorted(found, key=_order)
        ]
        return (data, *(part for part in parts if part.seconds > 0))

    def operators(self, number: int) -> tuple[Operator, ...]:
        averages = [e for e in self._profiler.key_averages() if "::" in e.key]
        operators = [
            Operator(
                e.key,
                (e.self_device_time_total if self._uses_gpu else e.self_cpu_time_total)
                / 1e6 / self._num,
                e.count / self._num,
            )
            for e in averages
        ]  # fmt: skip
        return tuple(sorted(operators, key=lambda o: -o.seconds)[:number])

    def _seconds(self, event: Any) -> float:
        total = event.device_time_total if self._uses_gpu else event.cpu_time_total
        return float(total) / 1e6 / self._num

    def _bytes(self, event: Any) -> float:
        return float(event.device_memory_usage if self._uses_gpu else event.cpu_memory_usage)


_SECTIONS = ("forward", "backward", "gradients' mean", "optimizer", "copies")


def _is_section(name: str) -> bool:
    return name.startswith(_SECTIONS)


def _order(name: str) -> tuple[int, int]:
    """Sort stages by number, each forward before backward; what follows them in its order."""
    kind = next(i for i, section in enumerate(_SECTIONS) if name.startswith(section))
    number = int(name.split()[-1]) if kind < 2 else 1_000
    return (number, kind)


def _wait(uses_gpu: bool) -> None:
    if uses_gpu:
        torch.cuda.synchronize()
