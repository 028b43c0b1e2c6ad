"""Signals at five moments of a real command: `python -m tests.chaos.signals --folder FOLDER`.

One workspace a signal: the same command is stopped at each moment in turn, and so goes on five
times, from the moment before; then it may end, and must have made what an undisturbed run makes.
"""

import argparse
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import psutil

from tests.chaos.content import archive_content, dataset_content, registry_content, weights_content
from tests.terminal_signals import from_terminal

_ROOT = Path(__file__).resolve().parents[2]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
_TAKEN = _SIGNALS[:-1]
_PATIENCE = 300.0  # seconds
_DONE = {
    "months fetched": r": append, \d+ hours", "training set built": r"training set \w+ built",
    "training continued": "continuing from", "epochs": r"epoch \d+ of",
    "scored": r"scored \d+ models", "report": "write report: ", "registered": "registered met2net",
}  # fmt: skip


def overrides(workspace: Path) -> list[str]:
    """Give a tiny experiment on made-up weather, with a training process of its own."""
    sizes = {
        "spatial_dim": 4, "latent_dim": 8, "num_blocks": 1, "num_heads": 2,
        "down_sampling": "false",
    }  # fmt: skip
    return [
        "experiment=era5_cropped", "source=generated", "~models.tau", f"workspace={workspace}",
        "data.grid.box={_target_: pipelines.fields.target_grids.Box, "
        "north: 44.0, west: 110.0, south: 43.5, east: 110.5}",
        "data.period.start=2021-01-22", "data.period.end=2021-02-10",
        "data.splits.train.start=2021-01-22", "data.splits.train.end=2021-02-07",
        "data.splits.validation.start=2021-02-08", "data.splits.validation.end=2021-02-08",
        "data.splits.test.start=2021-02-09", "data.splits.test.end=2021-02-10",
        "data.window.num_inputs=2", "data.window.num_targets=3",
        *(f"models.met2net.network.{key}={value}" for key, value in sizes.items()),
        "training.max_epochs=3", "training.batches_per_epoch=40", "trainer.num_threads=1",
        "trainer.checkpoint_minutes=0", "evaluation.num_analysis_samples=8",
        "evaluation.scoring.num_resamples=100", "evaluation.scoring.block_days=1",
    ]  # fmt: skip


def begin(workspace: Path, log: Path) -> psutil.Popen:
    """Start the command with signals as a terminal's shell leaves them."""
    return psutil.Popen(
        from_terminal([Path(sys.executable).with_name("prefect"), "run",
                       "flows/full_experiment.py", *overrides(workspace)]),
        cwd=_ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log.open("w"),
        stderr=subprocess.STDOUT,
    )  # fmt: skip


def _runs(process: psutil.Popen, module: str) -> bool:
    try:
        return any(module in child.cmdline() for child in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return False


Reached = Callable[[psutil.Popen, Path, Path], bool]
MOMENTS: dict[str, Reached] = {
    "before the server answers": lambda process, workspace, log: _runs(
        process, "flows.console.server_process"
    ),
    "data": lambda process, workspace, log: ": append," in log.read_text(),
    "training": lambda process, workspace, log: (
        _runs(process, "pipelines.training.process") and any(workspace.rglob("last.ckpt"))
    ),
    "scoring": lambda process, workspace, log: "train met2net: " in log.read_text(),
    "report": lambda process, workspace, log: "explain: " in log.read_text(),
}


def stop_at(moment: str, number: signal.Signals, workspace: Path, log: Path) -> dict[str, object]:
    """Run the command until a moment, stop it, and tell what is left of it."""
    process = begin(workspace, log)
    deadline = time.monotonic() + _PATIENCE
    while not MOMENTS[moment](process, workspace, log):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{moment} not reached; see {log}")
        time.sleep(0.02)
    if moment == "report":
        time.sleep(3)  # in the middle of a drawing
    family = process.children(recursive=True)
    start = time.monotonic()
    process.send_signal(number)
    status = process.wait(_PATIENCE)
    seconds = time.monotonic() - start
    while any(map(_lives, family)) and time.monotonic() - start < _PATIENCE:
        time.sleep(0.02)
    until_all = time.monotonic() - start
    said = log.read_text().strip().splitlines()
    return {
        "moment": moment, "signal": number.name, "seconds": round(seconds, 1), "status": status,
        "processes": len(family), "until all have ended": round(until_all, 1),
        "state": _state(workspace),
        "tracebacks": sum(line.startswith("Traceback") for line in said), "did": done(log),
        "last line": said[-1][:70] if said and number in _TAKEN else "",
    }  # fmt: skip


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # which its new parent has yet to collect
    except psutil.NoSuchProcess:
        return False


def _state(workspace: Path) -> str:
    """Give the state of the newest run in Prefect's database."""
    path = workspace / "prefect" / "prefect.db"
    if not path.is_file():
        return "no run"
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("select name from sqlite_master where name = 'flow_run'")
        if tables.fetchone() is None:
            return "no run"
        rows = database.execute("select state_name from flow_run order by created desc").fetchall()
    return f"{rows[0][0]} (of {len(rows)})" if rows else "no run"


def done(log: Path) -> str:
    """Tell by its log what a command did."""
    text = log.read_text()
    counts = {name: len(re.findall(pattern, text)) for name, pattern in _DONE.items()}
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def content(workspace: Path) -> dict[str, str]:
    """Hash archive, weights and scores; tell versions and aliases, and the runs in MLflow."""
    (run,) = (workspace / "runs").iterdir()
    found: dict[str, str] = {}
    for archive in (workspace / "archive").iterdir():
        if archive.is_dir():
            found |= archive_content(archive)
    found |= weights_content(run / "models" / "met2net" / "model.safetensors", label="trained")
    found |= dataset_content(run / "scores.nc", label="scores")
    registry = registry_content(
        f"sqlite:///{workspace / 'mlflow.db'}", "met2net-era5_cropped", by_order=True
    )
    return found | {k: v for k, v in registry.items() if not k.startswith("run ")}


def main(folder: Path, signals: Sequence[signal.Signals]) -> int:
    """Stop, go on, end, compare; print a line for each; 1 where something differed."""
    folder.mkdir(parents=True, exist_ok=True)
    undisturbed = folder / "undisturbed"
    if not (undisturbed / "runs").is_dir():
        begin(undisturbed, folder / "undisturbed.log").wait(_PATIENCE)
    expected = content(undisturbed)
    wrong = 0
    for number in signals:
        workspace = folder / number.name
        for moment in MOMENTS:
            log = folder / f"{number.name} {moment}.log"
            print(stop_at(moment, number, workspace, log), flush=True)
        log = folder / f"{number.name} end.log"
        status = begin(workspace, log).wait(_PATIENCE)
        found = content(workspace)
        differing = [key for key in expected | found if expected.get(key) != found.get(key)]
        wrong += bool(differing) or status != 0
        print(f"{number.name}: then status {status}; {done(log)}; {_state(workspace)}; "
              f"{len(expected)} compared, different: {differing}", flush=True)  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.signals", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("workspace/signals"))
    parser.add_argument("--signals", nargs="+", default=[number.name for number in _SIGNALS])
    options = parser.parse_args()
    sys.exit(main(options.folder.resolve(), [signal.Signals[name] for name in options.signals]))
