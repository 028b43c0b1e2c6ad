"""One network's training step, alone in a process: `python -m tests.benchmarks.baseline_cost`.

Arguments: name, device, batch size. Prints JSON: seconds a step (the quickest of several) and
peak memory [MiB] of network, gradients, optimizer and activations.
"""

import gc
import json
import re
import sys
import time
from pathlib import Path

import torch
from torch import nn

from met2net.models.build import build
from tests.met2net.models.baseline_catalogue import BASELINES, make_published

CHANNELS, FRAMES, GRID = 5, 12, (32, 64)  # Weather_L
_STEPS = 3
_MIB = 2**20


def make_network(name: str) -> tuple[nn.Module, nn.Module]:
    """Build a network of the published size and the objective it is trained with."""
    if name != "met2net":
        network = make_published(name, num_channels=CHANNELS, num_frames=FRAMES)
        return network, build(BASELINES[name].objective)
    settings = {
        "_target_": "met2net.models.met2net.Met2Net",
        "variables": {f"c{i}": [f"c{i}"] for i in range(CHANNELS)},
        "num_inputs": FRAMES,
        "num_targets": FRAMES,
    }
    objective = {"_target_": "met2net.training.two_stage.TwoStage", "translator_momentum": 0.9}
    return build(settings), build(objective)


def measure(name: str, *, device: str, batch: int) -> dict[str, float]:
    """Train a few steps on noise."""
    torch.manual_seed(0)
    frames = torch.randn(batch, 2 * FRAMES, CHANNELS, *GRID, device=device)
    inputs, targets = frames.split(FRAMES, dim=1)
    gc.collect()
    before = _start_memory(device)
    network, objective = make_network(name)
    network.to(device).train()
    objective.prepare(network)
    objective.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        objective(network, inputs, targets)["loss"].backward()
        optimizer.step()
        objective.after_step(network)
        if device == "cuda":
            torch.cuda.synchronize()

    step()
    times = []
    for _ in range(_STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {
        "seconds": min(times),
        "mebibytes": (_peak_memory(device) - before) / _MIB,
        "parameters": sum(weight.numel() for weight in network.parameters()),
    }


def _start_memory(device: str) -> int:
    """Forget earlier peaks; give the bytes in use."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak, VmHWM
    return _memory("VmRSS")


def _peak_memory(device: str) -> int:
    """Give the largest number of bytes in use since."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else _memory("VmHWM")


def _memory(key: str) -> int:
    """Read one line of the process's own status."""
    found = re.search(rf"^{key}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], device=sys.argv[2], batch=int(sys.argv[3]))))
