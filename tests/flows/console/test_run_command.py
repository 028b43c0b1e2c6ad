import subprocess
import sys
from pathlib import Path

import pytest

from flows.console.run_command import find_flow
from pipelines.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
PREFECT = Path(sys.executable).with_name("prefect")
# `prefect` as its console script starts it; at its end, what it has loaded of what takes long.
SAYING_WHAT_IS_LOADED = """
import atexit, sys
slow = "torch lightning mlflow matplotlib dask xarray numpy prefect.main prefect.server uvicorn"
atexit.register(lambda: print("loaded:", *(name for name in slow.split() if name in sys.modules)))
sys.argv = ["prefect", "run", *sys.argv[1:]]
from prefect.cli import app
app()
"""


def prefect_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PREFECT, "run", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_the_flow_named_after_its_file_is_found() -> None:
    assert find_flow(ROOT / "flows" / "full_experiment.py").name == "full-experiment"


def test_a_missing_file_names_the_flow_files() -> None:
    with pytest.raises(DataError, match=r"no file .*typo\.py; flow files in .*full_experiment\.py"):
        find_flow(ROOT / "flows" / "typo.py")


def test_a_file_without_a_flow_names_the_flow_files() -> None:
    with pytest.raises(DataError, match=r"no flow named 'config' \(flows found: none\)"):
        find_flow(ROOT / "flows" / "settings" / "config.py")


def test_only_python_files_hold_flows(tmp_path: Path) -> None:
    (tmp_path / "flow.yaml").write_text("a: 1")
    with pytest.raises(DataError, match="not a Python file"):
        find_flow(tmp_path / "flow.yaml")


def test_the_only_flow_of_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from prefect import flow\n@flow\ndef other(overrides: list[str]) -> None: ...\n"
    )
    assert find_flow(tmp_path / "mine.py").name == "other"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flows/typo.py"], "error: no file flows/typo.py; flow files in flows/: flows/arch"),
        (
            ["flows/settings/config.py"],
            "error: flows/settings/config.py has no flow named 'config'",
        ),
        (["flows/full_experiment.py", "experiment=nope"], "error: no experiment 'nope'; choose"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_two(arguments: list[str], message: str) -> None:
    ran = prefect_run(*arguments)
    assert ran.returncode == 2
    assert ran.stderr.startswith(message)
    assert len(ran.stderr.strip().splitlines()) == 1
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "Example: prefect run flows/full_experiment.py experiment=demo"),
        (
            ["flows/full_experiment.py", "experimnt=demo"],
            2,
            "error: no setting 'experimnt'; did you mean 'experiment'?",
        ),
    ],
)
def test_help_and_a_misspelt_setting_load_nothing_that_takes_long(
    arguments: list[str], status: int, said: str
) -> None:
    command = [sys.executable, "-c", SAYING_WHAT_IS_LOADED, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == status
    assert said in ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1] == "loaded:"


def test_a_flow_loads_without_what_draws_scores_and_computes_elsewhere() -> None:
    later = ("matplotlib", "torchmetrics", "distributed", "lightning")
    code = f"import sys, flows.full_experiment; print([m for m in {later} if m in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    assert ran.stdout == "[]\n"
