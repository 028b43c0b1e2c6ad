"""A worktree or second clone that uses another's environment runs its own code and settings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PREFECT = Path(sys.executable).with_name("prefect")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout, with a source that this one lacks."""
    root = tmp_path_factory.mktemp("second") / "clone"
    for name in ("flows", "configs", "pipelines", "met2net"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    sources = root / "configs" / "source"
    shutil.copy(sources / "gcm.yaml", sources / "only_here.yaml")
    return root


def ran(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True,
                          timeout=240)  # fmt: skip


@pytest.mark.parametrize(
    ("program", "from_inside"),
    [
        ([PREFECT, "run"], True),
        ([sys.executable], True),
        pytest.param([sys.executable], False, marks=pytest.mark.long),
    ],
    ids=["prefect run", "python", "python from another folder"],
)
def test_what_is_run_stands_beside_the_command(
    program: list[str | Path], from_inside: bool, second: Path
) -> None:
    cwd = second if from_inside else second.parent
    file = (second / "flows" / "backfill_status.py").relative_to(cwd)
    result = ran(*program, file, "source=nope", cwd=cwd)
    told, mistake = result.stderr.splitlines()
    assert told == f"running the code in {second}, not the installed one in {ROOT}"
    assert "only_here" in mistake and result.returncode == 2
