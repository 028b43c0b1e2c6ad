"""What orchestration costs: the demo's wall time beside that of its stages' own work.

A stage logs how long its own work took, inside the run. All else is overhead: imports, Prefect's
server, its records of flow and tasks, settings, the end. A training is a stage in a process of
its own, whose imports are the stage's; they are reported apart.
"""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

_ROOT = Path(__file__).parents[2]
_STAGE = re.compile(r"flows\.stage - (?P<name>.+): (?P<seconds>\d+\.\d+) s$", re.MULTILINE)
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


def test_the_demo_is_work_and_not_orchestration(tmp_path: Path, record_ratio) -> None:
    prefect = Path(sys.executable).with_name("prefect")
    output, wall = run(
        prefect, "run", "flows/full_experiment.py", "experiment=demo",
        f"workspace={tmp_path / 'workspace'}", folder=tmp_path,
    )  # fmt: skip
    stages = {m["name"]: float(m["seconds"]) for m in _STAGE.finditer(output)}
    trainings = [name for name in stages if name.startswith("train ")]
    assert len(trainings) == 3 and {"update archive", "score", "register"} <= set(stages), output
    _, imports = run(sys.executable, "-c", "import pipelines.training.process", folder=tmp_path)
    overhead = wall - sum(stages.values())
    for name, seconds in stages.items():
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
