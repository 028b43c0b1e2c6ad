"""Runs of the monthly retraining over made-up months, and where they keep what came of them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["NAME", "history", "months_folder", "overrides", "run", "store"]

ROOT = Path(__file__).resolve().parents[3]
NAME = "met2net-mumbai_monthly-replay"


def overrides(folder: Path) -> list[str]:
    return [
        "experiment=mumbai_monthly",
        f"workspace={folder / 'workspace'}",
        "source._target_=tests.flows.monthly.arriving_source.ArrivingSource",
        "~data.variables.msl", "~data.variables.v10", "~data.variables.d2m",
        "data.window.num_inputs=2", "data.window.num_targets=2",
        "training.batches_per_epoch=8",
        "rolling.test_months=1", "rolling.validation_months=1",
        "rolling.fewest_training_months=2",
        "promotion.yardstick=null",  # eight steps of training beat nothing
        "evaluation.scoring.num_resamples=100",
    ]  # fmt: skip


def run(
    flow: str, folder: Path, *more: str, prefect_api: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"flows/{flow}.py", *more],
        cwd=ROOT,
        env=os.environ | {
            "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder),
            "PREFECT_HOME": str(folder / "prefect_home"), "PREFECT_API_URL": prefect_api,
            "COLUMNS": "200",
        },
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def store(folder: Path) -> str:
    return f"sqlite:///{folder / 'workspace' / 'mlflow.db'}"


def history(folder: Path) -> list[dict[str, str]]:
    path = folder / "workspace" / "monthly" / "mumbai_monthly" / "history.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def months_folder(folder: Path) -> Path:
    return folder / "workspace" / "monthly" / "mumbai_monthly"
