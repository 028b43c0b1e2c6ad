"""A command that is stopped ends at once, whole, and says so; a real server, a real run."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from flows.prefect_plugin import _starts_a_run
from tests.terminal_signals import from_terminal

ROOT = Path(__file__).resolve().parents[3]
FLOW = """
import subprocess, sys
from prefect import flow

@flow
def wait(overrides: list[str]) -> None:
    print("begun", flush=True)
    subprocess.run(["sleep", "300"])
"""
SECONDS = 240.0


def begun(folder: Path, *, ignored: signal.Signals | None = None) -> subprocess.Popen[bytes]:
    """Start a flow with a child process; give it when the child runs."""
    (folder / "wait.py").write_text(FLOW)
    prefect = Path(sys.executable).with_name("prefect")
    environment = os.environ | {"PREFECT_HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"}
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            from_terminal([prefect, "run", folder / "wait.py"], ignored=ignored),
            cwd=ROOT, env=environment, stdout=out, stderr=err,
        )  # fmt: skip
    deadline = time.monotonic() + SECONDS
    while "begun" not in (folder / "out").read_text():
        assert process.poll() is None, (folder / "err").read_text()
        assert time.monotonic() < deadline, (folder / "err").read_text()
        time.sleep(0.1)
    return process


def states(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "home" / "prefect.db")) as database:
        return [name for (name,) in database.execute("select state_name from flow_run")]


@pytest.mark.parametrize(
    ("number", "ignored"),
    [
        (signal.SIGINT, None),
        pytest.param(signal.SIGHUP, None, marks=pytest.mark.long),
        (signal.SIGTERM, signal.SIGHUP),
    ],
)
def test_a_stopped_run_is_cancelled_in_seconds_and_leaves_no_process(
    number: signal.Signals, ignored: signal.Signals | None, tmp_path: Path
) -> None:
    process = begun(tmp_path, ignored=ignored)
    time.sleep(0.5)
    if ignored is not None:  # what nohup ignores stays ignored
        process.send_signal(ignored)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2  # the server and `sleep`
    start = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    assert time.monotonic() - start < 5
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    said = (tmp_path / "err").read_text().splitlines()
    assert said[-1].startswith(f"stopped by {number.name}: what was finished is kept")
    assert not any("Traceback" in line for line in said)
    assert states(tmp_path) == ["Cancelled"]


def test_a_signal_after_the_end_leaves_the_run_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text(
        "from prefect import flow\n\n@flow\ndef short(overrides: list[str]) -> None:\n    pass\n"
    )
    process = subprocess.Popen(
        from_terminal([Path(sys.executable).with_name("prefect"), "run", tmp_path / "short.py"]),
        cwd=ROOT, env=os.environ | {"PREFECT_HOME": str(tmp_path / "home")}, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr as stderr:
        while "Finished in state" not in (line := stderr.readline()):
            assert line, process.wait()
        process.send_signal(signal.SIGINT)  # Prefect has closed its client
        said = stderr.read()
    assert process.wait(timeout=60) == 128 + signal.SIGINT
    assert said.splitlines()[-1].startswith("stopped by SIGINT: what was finished is kept")
    assert "Traceback" not in said
    assert states(tmp_path) == ["Completed"]


def test_what_fails_while_a_run_is_stopped_adds_no_line() -> None:
    program = (
        "import os, signal, uuid; from flows.console.interruption import Interruption\n"
        "class Broken(Interruption):\n"
        "    def _cancel(self, name): raise RuntimeError('the server is gone')\n"
        "it = Broken(); it.watch(); it.flow_run = uuid.uuid4()\n"
        "os.kill(os.getpid(), signal.SIGINT); signal.pause()"
    )
    done = subprocess.run(
        from_terminal([sys.executable, "-c", program]), cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 128 + signal.SIGINT
    [line] = done.stderr.splitlines()
    assert line.startswith("stopped by SIGINT: what was finished is kept")


def test_the_server_of_a_run_that_was_killed_ends_with_it(tmp_path: Path) -> None:
    process = begun(tmp_path)
    servers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "flows.console.server_process" in child.cmdline()
    ]
    assert len(servers) == 1
    sleeping = [c for c in psutil.Process(process.pid).children() if "sleep" in c.cmdline()]
    process.kill()
    process.wait()
    for child in sleeping:
        child.kill()
    _, alive = psutil.wait_procs(servers, timeout=10)
    assert alive == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_stopped_among_its_imports_says_one_line(number: signal.Signals) -> None:
    program = (
        "import signal, sys; from flows.console.interruption import end_at_once\n"
        "end_at_once(); print('ready', flush=True); signal.pause()"
    )
    process = subprocess.Popen(
        from_terminal([sys.executable, "-c", program]), cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said == f"stopped by {number.name} before the run began\n"


def test_prefects_plugin_takes_the_signals_of_runs_alone() -> None:
    assert _starts_a_run(["-m", "run", "flows/full_experiment.py"])
    assert _starts_a_run([str(ROOT / "flows" / "forecast.py"), "seed=1"])
    assert not _starts_a_run(["/venv/bin/prefect", "deployment", "run", "a/b"])
    assert not _starts_a_run(["/home/me/mine.py"])
    assert not _starts_a_run(["-c"])
