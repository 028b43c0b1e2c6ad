"""Met2Net's training step and inference, fast and plain, at the paper's sizes and at small ones.

`python -m tests.benchmarks.training_steps fast|plain SIZE` prints the peak memory [bytes] of
training steps alone in a process: weights, gradients, optimizer and activations.
"""

import gc
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from met2net.models.met2net import Met2Net
from met2net.training.flops import BACKWARD_FLOPS
from met2net.training.momentum import update_momentum
from met2net.training.two_stage import TwoStage
from tests.met2net.training import plain_step

MOMENTUM = 0.9


@dataclass(frozen=True)
class Size:
    """An experiment of the paper, 12 frames to 12; the full model, one sample a step.

    `widths` are those of a smaller model.
    """

    num_channels: int
    grid: tuple[int, int]
    num_scales: int
    num_frames: int = 12
    batch: int = 1
    widths: Mapping[str, int] = field(default_factory=dict)


SIZES = {"Weather_L": Size(5, (32, 64), 2), "ERA5": Size(4, (128, 128), 4)}
SMALL_SIZES = {
    "demo": Size(
        5, (32, 64), 2, num_frames=4, batch=4,
        widths={"spatial_dim": 24, "latent_dim": 32, "num_blocks": 1},
    ),
    "pearl_river": Size(
        5, (20, 16), 2, batch=8, widths={"spatial_dim": 16, "latent_dim": 64, "num_blocks": 4}
    ),
}  # fmt: skip
"""About those of these experiments."""


@dataclass(frozen=True)
class Version:
    """One way to train and to forecast."""

    step: Callable[[], object]
    infer: Callable[[], object]


def make_frames(size: Size, device: str) -> tuple[Tensor, Tensor]:
    """Draw inputs and targets."""
    shape = (size.batch, 2 * size.num_frames, size.num_channels, *size.grid)
    frames = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    inputs, targets = frames.split(size.num_frames, dim=1)
    return inputs.contiguous(), targets.contiguous()


def make_network(size: Size) -> Met2Net:
    """Build the paper's network, always with the same weights."""
    torch.manual_seed(0)
    return Met2Net(
        variables={f"c{i}": [f"c{i}"] for i in range(size.num_channels)},
        num_inputs=size.num_frames,
        num_targets=size.num_frames,
        num_scales=size.num_scales,
        **size.widths,  # type: ignore[arg-type]
    )


def make_fast(size: Size, *, dtype: torch.dtype, device: str, compiled: bool = False) -> Version:
    """Met2Net as it is trained here."""
    network = make_network(size).to(device)
    objective = TwoStage(translator_momentum=MOMENTUM)
    objective.prepare(network)
    objective.to(device)
    if compiled:
        from met2net.training.compilation import compile_parts

        compile_parts(network, copies=objective)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0, fused=True)
    inputs, targets = make_frames(size, device)

    def step() -> None:
        network.train()
        objective.train()
        optimizer.zero_grad()
        stages = objective.stages(network, inputs, targets)
        while True:
            with precision(dtype, device):
                stage = next(stages, None)
            if stage is None:
                break
            stage["loss"].backward()
            del stage
        optimizer.step()
        objective.after_step(network)

    return Version(step, partial(_infer, network, network, inputs, dtype, device))


def make_plain(size: Size, *, dtype: torch.dtype, device: str) -> Version:
    """The released code's structure: both passes in full, then one backward."""
    network = plain_step.PlainNetwork(
        [1] * size.num_channels,
        num_inputs=size.num_frames,
        num_targets=size.num_frames,
        num_scales=size.num_scales,
        drop_path=0.1,
        **size.widths,
    ).to(device)
    network.load_state_dict(make_network(size).state_dict())
    translator, encoders = plain_step.momentum_parts(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    inputs, targets = make_frames(size, device)

    def step() -> None:
        network.train()
        optimizer.zero_grad()
        with precision(dtype, device):
            first, second = plain_step.two_stage(
                network, translator, encoders,
                inputs=inputs, targets=targets, target_frames=targets,
            )  # fmt: skip
            loss = first + second
        loss.backward()
        optimizer.step()
        update_momentum(translator, network.translator, momentum=MOMENTUM)
        update_momentum(encoders, network.encoders, momentum=0.0)

    forward = partial(plain_step.forecast, network)
    return Version(step, partial(_infer, network, forward, inputs, dtype, device))


VERSIONS = {"fast": make_fast, "plain": make_plain}


def _infer(
    network: nn.Module,
    forward: Callable[[Tensor], Tensor],
    inputs: Tensor,
    dtype: torch.dtype,
    device: str,
) -> Tensor:
    network.eval()
    with torch.no_grad(), precision(dtype, device):
        return forward(inputs)


def precision(dtype: torch.dtype, device: str) -> AbstractContextManager[object]:
    """Give mixed precision for anything but float32."""
    return torch.autocast(device, dtype, enabled=dtype != torch.float32)


def quickest(runs: list[Callable[[], object]], *, repeats: int) -> list[float]:
    """Time runs in turn, so that a slow spell of the machine meets all; the quickest of each."""
    best = [float("inf")] * len(runs)
    for run in runs:
        run()
    for _ in range(repeats):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def matrix_product(dtype: torch.dtype, width: int = 2048) -> Callable[[], object]:
    """Give a product whose speed is the machine's peak; it has 2 * width^3 operations."""
    matrix = torch.randn(width, width, dtype=dtype)
    return lambda: matrix @ matrix


def operations(run: Callable[[], object]) -> int:
    """Count multiplications and additions of convolutions and matrix products."""
    with FlopCounterMode(display=False, custom_mapping=BACKWARD_FLOPS) as counter:
        run()
    return counter.get_total_flops()


def peak_memory(version: str, size: str) -> int:
    """Train three steps; give the most memory [bytes] above what the process had before."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak, VmHWM
    before = _status("VmRSS")
    made = VERSIONS[version](SIZES[size], dtype=torch.float32, device="cpu")
    for _ in range(3):
        made.step()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    """Read one line of the process's own status."""
    found = re.search(rf"^{key}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


if __name__ == "__main__":
    print(peak_memory(sys.argv[1], sys.argv[2]))
