"""Forty monthly cycles in one process: what grows with their number, and how fast.

`python -m tests.chaos.long_run --folder workspace/long_run --cycles 40`; run again, it prints the
slopes of what was measured.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.chaos.disks import folder_bytes
from tests.chaos.processes import in_child

__all__ = ["measure", "run_cycles", "slopes"]

MEASURES = "cycles.jsonl"
_FIRST = np.datetime64("2016-04")
_SECONDS = 7200.0
_MIB = 2**20
_WARM_UP = 8
"""Cycles left out of the slopes: libraries are imported and caches are filled in these."""


def overrides(folder: Path, cycles: int) -> list[str]:
    """Give the settings: weather that arrives month by month, a network of some hundred weights."""
    return [
        "experiment=mumbai_monthly",
        f"workspace={folder / 'workspace'}",
        "source._target_=tests.flows.monthly.arriving_source.ArrivingSource",
        "~data.variables.msl", "~data.variables.v10", "~data.variables.d2m",
        "data.window.num_inputs=2", "data.window.num_targets=2",
        *(f"models.met2net.network.{key}={value}" for key, value in {
            "spatial_dim": 4, "latent_dim": 8, "num_blocks": 1,
        }.items()),
        "training.batches_per_epoch=4", "trainer.num_threads=1",
        "rolling.test_months=1", "rolling.validation_months=1", "rolling.training_months=2",
        "rolling.fewest_training_months=2", "promotion.yardstick=null",
        "evaluation.scoring.num_resamples=100", "reports=false",
        f"replay.months={_FIRST}/{_FIRST + (cycles - 1)}",
    ]  # fmt: skip


def measure(folder: Path) -> dict[str, float]:
    """Measure this process and what lies in the workspace."""
    process, workspace = psutil.Process(), folder / "workspace"
    databases = [*workspace.glob("mlflow.db*"), *(workspace / "prefect").glob("prefect.db*")]
    sizes = {path: path.stat().st_size for path in databases}
    return {
        "memory [MiB]": process.memory_info().rss / _MIB,
        "open files": process.num_fds(),
        "threads": process.num_threads(),
        "MLflow database [MiB]": sum(s for p, s in sizes.items() if "mlflow" in p.name) / _MIB,
        "Prefect database [MiB]": sum(s for p, s in sizes.items() if "prefect" in p.name) / _MIB,
        "archive [MiB]": folder_bytes(workspace / "archive") / _MIB,
        "training sets [MiB]": folder_bytes(workspace / "training_sets") / _MIB,
        "month folders [MiB]": folder_bytes(workspace / "monthly") / _MIB,
        "registered models [MiB]": folder_bytes(workspace / "artifacts") / _MIB,
    }


def run_cycles(folder: Path, cycles: int) -> None:
    """Replay months one after another, and measure after each."""
    from flows import replay
    from flows.console.run import run_from_console
    from flows.monthly import stages as retraining_stages
    from pipelines.training.train import train

    # Another process would import for ten seconds.
    retraining_stages.train = partial(train, in_process=True)
    replay_month = replay._replay_month

    def measured(*arguments: Any) -> Any:
        start = time.monotonic()
        outcome = replay_month(*arguments)
        line = {"month": outcome.month, "action": outcome.action,
                "time [s]": time.monotonic() - start, **measure(folder)}  # fmt: skip
        with (folder / MEASURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return outcome

    replay._replay_month = measured
    run_from_console(replay.replay, overrides(folder, cycles))


def slopes(rows: Sequence[Mapping[str, Any]]) -> str:
    """Fit a line to every measure against the number of the cycle, as a Markdown table."""
    lines = ["| measure | first | last | slope a cycle |", "|---|---|---|---|"]
    for name in rows[0]:
        if name in ("month", "action"):
            continue
        values = np.array([float(row[name]) for row in rows])
        later = values[min(_WARM_UP, len(values) - 2) :]
        slope = np.polyfit(np.arange(len(later)), later, 1)[0]
        lines.append(f"| {name} | {values[0]:.4g} | {values[-1]:.4g} | {slope:+.3g} |")
    return "\n".join(lines)


def main(arguments: argparse.Namespace) -> int:
    """Run the cycles that are not there, print the slopes; 1 where not all came to their end."""
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MEASURES).is_file():
        in_child(
            partial(run_cycles, folder, arguments.cycles), notes=folder / "log", patience=_SECONDS
        )
    lines = (folder / MEASURES).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    print(slopes(rows))
    refused = [row["month"] for row in rows if row["action"] in ("refused", "nothing")]
    print(f"{len(rows)} cycles; months without a challenger: {', '.join(refused) or 'none'}")
    return 1 if refused or len(rows) < arguments.cycles else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.long_run", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("workspace/long_run"))
    parser.add_argument("--cycles", type=int, default=40)
    options = parser.parse_args()
    os.environ |= {
        "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
        "MET2NET_TRUSTED_PACKAGES": "tests",
    }  # fmt: skip
    sys.exit(main(options))
