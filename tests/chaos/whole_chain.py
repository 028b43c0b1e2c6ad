"""The whole chain under faults: both flows, from the Climate Data Store to a forecast.

A child runs them warm, against one Prefect server of the campaign, with the training in the
same process and a report without figures; once a seed it is the command that users type, with
all its processes and figures.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.atomic import write_text
from tests.chaos.bench import PATIENCE, Bench, Result, Trial
from tests.chaos.campaign import read_results, run_trials
from tests.chaos.content import (
    archive_content,
    dataset_content,
    file_content,
    registry_content,
    weights_content,
)
from tests.chaos.processes import Child
from tests.chaos.stages import Stage
from tests.chaos.trials import (
    clock,
    database_locked,
    disk_full,
    killed,
    out_of_memory,
    read_only,
    server_trouble,
    twice,
)
from tests.pipelines.registry.served_model import free_port

__all__ = ["CHAIN", "PLAN", "run_chains"]

CHAIN = "whole chain"
_ROOT = Path(__file__).resolve().parents[2]
_NAME = "met2net-era5_cropped"
_START_SECONDS = 120


def overrides(folder: Path, *, train_end: str, last: str) -> list[str]:
    """Give the settings of a tiny experiment whose period ends some days after its training."""
    day = "2021-02-08" if last == "2021-02-10" else "2021-01-29"
    test = "2021-02-09" if last == "2021-02-10" else "2021-01-30"
    return [
        "experiment=era5_cropped", "~models.tau", f"workspace={folder / 'workspace'}",
        "data.grid.box={_target_: pipelines.fields.target_grids.Box, "
        "north: 44.0, west: 110.0, south: 43.5, east: 110.5}",
        "data.period.start=2021-01-22", f"data.period.end={last}",
        "data.splits.train.start=2021-01-22", f"data.splits.train.end={train_end}",
        f"data.splits.validation.start={day}", f"data.splits.validation.end={day}",
        f"data.splits.test.start={test}", f"data.splits.test.end={last}",
        "data.window.num_inputs=2", "data.window.num_targets=3",
        *(f"models.met2net.network.{key}={value}" for key, value in {
            "spatial_dim": 4, "latent_dim": 8, "num_blocks": 1, "num_heads": 2,
            "down_sampling": "false",
        }.items()),
        "training.max_epochs=2", "training.batches_per_epoch=3", "trainer.num_threads=1",
        "trainer.checkpoint_minutes=0", "evaluation.num_analysis_samples=8",
        "evaluation.scoring.num_resamples=100", "evaluation.scoring.block_days=1",
        "source.data_format=netcdf", "source.patience.first_pause=0.02",
        "source.patience.reply=5",
    ]  # fmt: skip


def _before(folder: Path) -> list[str]:
    return overrides(folder, train_end="2021-01-28", last="2021-01-31")


def _now(folder: Path) -> list[str]:
    return overrides(folder, train_end="2021-02-07", last="2021-02-10")


def run_warm(folder: Path, settings: Sequence[str], *, server: str) -> None:
    """Run both flows in this process; the training, too."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows import forecast, full_experiment
    from flows.console.run import run_from_console
    from pipelines.report import page as report
    from pipelines.training.train import train

    # Another process would import for ten seconds.
    full_experiment.train = partial(train, in_process=True)
    report.write_report = _page_without_figures
    with temporary_settings({PREFECT_API_URL: server}):
        run_from_console(full_experiment.full_experiment, settings)
        run_from_console(forecast.forecast, [*settings, "maps=false"])


def _page_without_figures(run_folder: Path, *, out: Path, **_: Any) -> Path:
    """Stand for the report, whose drawing would take most of the campaign's time."""
    write_text(out, f"<html>{(run_folder / 'scores.json').stat().st_size}</html>")
    return out


def run_command(folder: Path, settings: Sequence[str]) -> None:
    """Run the first flow as a user does."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    command = [str(Path(sys.executable).with_name("prefect")), "run", "flows/full_experiment.py"]
    environment = os.environ | {"HOME": str(home), "PREFECT_HOME": str(home / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    status = subprocess.run([*command, *settings], cwd=_ROOT, env=environment).returncode
    if status:
        raise SystemExit(status)


def _state(folder: Path) -> dict[str, str]:
    """Tell what the workspace holds without the names that follow from random snapshot ids."""
    workspace = folder / "workspace"
    content: dict[str, str] = {}
    for archive in (workspace / "archive").glob("cds-*[!k]"):
        content |= archive_content(archive)
    content |= _in_order(
        workspace / "training_sets", "*.zarr",
        lambda path, label: file_content(path, label=label, ignored=("zarr.json",)),
    )  # fmt: skip
    content |= _in_order(workspace / "runs", "*", _run_content)
    content |= _in_order(
        workspace / "forecasts", "*/*",
        lambda path, label: dataset_content(path / "forecast.nc", label=label),
    )  # fmt: skip
    if (workspace / "mlflow.db").is_file():
        content |= registry_content(f"sqlite:///{workspace / 'mlflow.db'}", _NAME, by_order=True)
    return content


def _run_content(folder: Path, label: str) -> dict[str, str]:
    if not (folder / "report.html").is_file():
        return {}  # only begun
    content = {f"{label} report": "there"}
    for name in ("scores", "example"):
        content |= dataset_content(folder / f"{name}.nc", label=f"{label} {name}")
    model = folder / "models" / "met2net" / "model.safetensors"
    return content | weights_content(model, label=label)


def _in_order(folder: Path, pattern: str, content: Any) -> dict[str, str]:
    """Tell the content of finished folders, numbered in the order of what they hold.

    Their names follow from snapshots, whose ids are random; so content decides.
    """
    told: dict[str, str] = {}
    parts = [part for path in folder.glob(pattern) if (part := content(path, "{}"))]
    for number, part in enumerate(sorted(parts, key=lambda part: sorted(part.items()))):
        told |= {key.replace("{}", f"{folder.name} {number + 1}"): v for key, v in part.items()}
    return told


def command_killed(bench: Bench, draw: Any) -> Result:
    """Kill the command as users type it, with all its processes; go on warm."""
    result = Result()
    with bench.fresh(), bench.store() as store:
        child = Child(
            partial(run_command, bench.work, _now(bench.work)), notes=bench.notes
        )  # fmt: skip
        result.note(child.ending(patience=5 * PATIENCE, kill_after=draw.uniform(12.0, 60.0)))
        return bench.finish(result, store)


PLAN: Sequence[tuple[str, Trial]] = (
    *[("kill -9", killed)] * 3,
    ("kill -9 of the command as typed", command_killed),
    ("disk full", disk_full),
    ("read-only folder", read_only),
    ("server errors and cuts", server_trouble),
    ("database locked", database_locked),
    ("clock jumps, other zones", clock),
    ("twice at once", twice),
    ("out of memory", out_of_memory),
)


@contextmanager
def _prefect_server() -> Iterator[str]:
    """Serve Prefect's API until the block ends; give its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    with tempfile.TemporaryDirectory() as home:
        with (Path(home) / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
                 "--port", str(port)],
                env=os.environ | {"PREFECT_HOME": home}, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            _wait_for(f"{url}/health", process)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError("Prefect's server does not answer")


def run_chains(folder: Path, *, seeds: Sequence[int]) -> None:
    """Run the trials of the whole chain that are not noted yet."""
    noted = {(r["seed"], r["number"]) for r in read_results(folder) if r["stage"] == CHAIN}
    if all((seed, number) in noted for seed in seeds for number in range(len(PLAN))):
        return
    folder.mkdir(parents=True, exist_ok=True)
    import flows.forecast
    import flows.full_experiment  # noqa: F401  (imported before a child is forked)

    with _prefect_server() as server:
        stage = Stage(
            CHAIN,
            lambda work: run_warm(work, _before(work), server=server),
            lambda work: run_warm(work, _now(work), server=server),
            _state,
            uses_store=True,
        )
        run_trials(
            folder, stage=CHAIN, seeds=seeds, trials=PLAN, open_bench=lambda: Bench(stage, folder)
        )
