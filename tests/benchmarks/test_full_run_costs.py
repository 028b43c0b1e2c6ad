"""What a full run of every table costs on this device: prints the table of `docs/full_runs.md`.

One process a model, one after the other. `FULL_RUN_TABLES` chooses tables (comma-separated, all of
them otherwise), `FULL_RUN_MODELS` models, `FULL_RUN_BATCH` the batch size (16 on a GPU, 1 on a
CPU, where time and memory of a window are what can be measured).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from flows.studies.part_runs import part_experiments
from flows.studies.study import load_study

pytestmark = pytest.mark.bench
_ROOT = Path(__file__).parents[2]
_TABLES = ("table1", "table3", "table4", "table5", "table6", "table7")


def models_of(table: str) -> list[str]:
    overrides = [f"experiment={table}", "scale=smoke"]
    study = load_study(overrides)
    assert study is not None
    wanted = os.environ.get("FULL_RUN_MODELS", "").split(",")
    return [m for m in part_experiments(study, overrides)[0].experiment.models
            if wanted == [""] or m in wanted]  # fmt: skip


def cost(table: str, model: str, *, device: str, batch: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.full_run_cost", table, model, device, str(batch)],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def line(table: str, model: str, one: dict[str, float]) -> str:
    """Write one row of the page; a run is epochs x windows x time of a window."""
    a_window = one["step_time"] / one["batch_size"]
    hours = a_window * one["windows"] * one["epochs"] / 3600
    memory = "–" if one["memory"] is None else f"{one['memory']:.0f}"
    return (
        f"| {table} | {model} | {one['device']}, batch {one['batch_size']} | {a_window:.3g} "
        f"| {memory} | {one['windows']} | {one['epochs']} | {hours:.3g} |"
    )


def test_cost_of_full_runs(record_ratio) -> None:
    device = "gpu" if torch.cuda.is_available() else "cpu"
    batch = int(os.environ.get("FULL_RUN_BATCH", "16" if device == "gpu" else "1"))
    print("\n| table | model | measured on | time a window [s] | memory [MiB] | windows an epoch "
          "| epochs | full run [h] |\n|---|---|---|---:|---:|---:|---:|---:|")  # fmt: skip
    for table in os.environ.get("FULL_RUN_TABLES", ",".join(_TABLES)).split(","):
        for model in models_of(table):
            one = cost(table, model, device=device, batch=batch)
            print(line(table, model, one), flush=True)
            record_ratio(f"{table} {model}, a step", one["step_time"], bound="reported", unit="s")
            assert one["step_time"] > 0
