"""What orchestration costs: the demo's wall time beside that of its stages' own work.

A stage logs how long its own work took, inside the run. All else is overhead: imports, Prefect's
server, its records of flow and tasks, settings, the end. A training is a stage in a process of
its own, whose imports are the stage's; they are reported apart. Trainings run beside each other,
so that what counts is when no stage was at work. docs/scale.md keeps the table.
"""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

_ROOT = Path(__file__).parents[2]
_STAGE = re.compile(r"flows\.stages\.stage - (?P<name>.+): (?P<seconds>\d+\.\d+) s$", re.MULTILINE)
_LINE = re.compile(r"^(?P<time>\d\d:\d\d:\d\d\.\d{3}) \| \w+ +\| (?P<text>.+)$", re.MULTILINE)
_SHARE, _SECONDS = 0.15, 20.0


def run(*command: str | Path, folder: Path) -> tuple[str, float]:
    """Run a command from the repository; give its output and how long it took."""
    environment = os.environ | {
        "COLUMNS": "400", "PREFECT_HOME": str(folder / "home"), "HOME": str(folder),
    }  # fmt: skip
    environment.pop("PREFECT_API_URL", None)
    start = time.perf_counter()
    ran = subprocess.run(
        [str(part) for part in command], cwd=_ROOT, env=environment,
        capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
    return ran.stdout + ran.stderr, seconds


def moments(output: str) -> list[tuple[float, str]]:
    """Give the log's lines with their times [s], from the first one on."""
    found = []
    for line in _LINE.finditer(output):
        hours, minutes, seconds = line["time"].split(":")
        now = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        found.append((now + 86_400 * (bool(found) and now < found[0][0] - 1), line["text"]))
    return [(now - found[0][0], text) for now, text in found]


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Measure what some spans of time cover together."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def simulation(log: list[tuple[float, str]]) -> dict[str, float]:
    """Part what the archive takes: building the simulator and its first day, spin-up, months."""
    began = next(now for now, text in log if "building the simulator" in text)
    days = [(now, text) for now, text in log if "simulated to" in text]
    (first, _), (second, _) = days[:2]  # ten days each, of the spin-up
    spun_up = next(now for now, text in days if "(60 of 60 days)" in text)
    ended = next(now for now, text in log if "update archive: " in text)
    ready = first - (second - first)
    return {
        "simulator, built and compiled": ready - began,
        "spin-up": spun_up - ready,
        "months, simulated and archived": ended - spun_up,
    }


def test_spans_that_meet_count_once() -> None:
    assert covered([(3, 5), (0, 2), (1, 2.5), (4, 4.5)]) == 4.5


def test_the_demo_is_work_and_not_orchestration(tmp_path: Path, record_ratio) -> None:
    prefect = Path(sys.executable).with_name("prefect")
    output, wall = run(
        prefect, "run", "flows/full_experiment.py", "experiment=demo",
        f"workspace={tmp_path / 'workspace'}", folder=tmp_path,
    )  # fmt: skip
    log = moments(output)
    spans = {
        m["name"]: (now - float(m["seconds"]), now)
        for now, text in log if (m := _STAGE.search(text))
    }  # fmt: skip
    stages = {name: end - begin for name, (begin, end) in spans.items()}
    trainings = [name for name in stages if name.startswith("train ")]
    assert len(trainings) == 3 and {"update archive", "score", "register"} <= set(stages), output
    _, imports = run(sys.executable, "-c", "import pipelines.training.process", folder=tmp_path)
    overhead = wall - covered(spans.values())
    together = covered(spans[name] for name in trainings)
    parts = stages | {"trainings together": together} | simulation(log)
    for name, seconds in parts.items():
        record_ratio(f"demo: {name}", seconds, bound="reported", unit="s")
    record_ratio("demo: wall time", wall, bound="reported", unit="s")
    record_ratio("demo: imports of one training process", imports, bound="reported", unit="s")
    record_ratio("demo: overhead", overhead, bound="<= 20", unit="s")
    record_ratio("demo: overhead / wall time", overhead / wall, bound="<= 0.15")
    assert overhead <= _SECONDS and overhead <= _SHARE * wall


EMPTY = """
from prefect import flow
import flows.full_experiment  # what the demo imports
from flows.console.run_name import run_name
from flows.stages.stage import stage

@flow(name="empty", flow_run_name=run_name, validate_parameters=False)
def empty(overrides: list[str]) -> None:
    for number in range(9):
        stage(f"stage {number}")(lambda: None)()
"""


def test_what_a_demo_without_work_takes(tmp_path: Path, record_ratio) -> None:
    """Run as many stages as the demo has, all empty; in seconds of CPU, that load hardly moves."""
    (tmp_path / "empty.py").write_text(EMPTY)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    prefect = Path(sys.executable).with_name("prefect")
    output, wall = run(prefect, "run", tmp_path / "empty.py", folder=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(_STAGE.findall(output)) == 9
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    record_ratio("nine empty stages: CPU", busy, bound="reported", unit="s")
    record_ratio("nine empty stages: wall time", wall, bound="reported", unit="s")
