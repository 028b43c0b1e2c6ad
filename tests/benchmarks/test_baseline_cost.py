"""What a training step of every network costs at Weather_L size, beside Met2Net's.

All channels in one network each (12 frames of 5 channels, 32 x 64), one process a network, one
after the other. The table goes to `docs/baselines.md`. `BASELINE_COST_BATCH` sets the batch
size (1), `BASELINE_COST_NAMES` a comma-separated choice of networks.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.met2net.models.baseline_catalogue import BASELINES

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's /proc"),
]
_ROOT = Path(__file__).parents[2]


def cost(name: str, *, device: str, batch: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.baseline_cost", name, device, str(batch)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def table(costs: dict[str, dict[str, float]]) -> str:
    """Write costs as markdown, Met2Net's time and memory being 1."""
    reference = costs["met2net"]
    lines = [
        "| model | parameters [M] | time a step [s] | relative | peak memory [MiB] | relative |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in costs.items():
        seconds, mebibytes = (one[key] / reference[key] for key in ("seconds", "mebibytes"))
        lines.append(
            f"| {name} | {one['parameters'] / 1e6:.2f} | {one['seconds']:.2f} | {seconds:.2f} "
            f"| {one['mebibytes']:.0f} | {mebibytes:.2f} |"
        )
    return "\n".join(lines)


def test_training_cost_of_every_baseline_beside_met2net(record_ratio) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    batch = int(os.environ.get("BASELINE_COST_BATCH", "1"))
    names = os.environ.get("BASELINE_COST_NAMES", ",".join(BASELINES)).split(",")
    costs = {}
    for name in ("met2net", *names):
        costs[name] = cost(name, device=device, batch=batch)
        print(name, costs[name], flush=True)  # a long run that is cut short still says something
    print(f"\n{device}, batch {batch}\n{table(costs)}")
    for name in names:
        relative = costs[name]["seconds"] / costs["met2net"]["seconds"]
        record_ratio(f"{name} / met2net, time of a training step", relative, bound="reported")
        assert costs[name]["mebibytes"] > 0
