"""Every table and figure of the paper by its command at the smallest scale: exit status 0.

They share a workspace, so that trainings and archives are made once. The times are printed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.flows.studies.test_studies import STUDIES

pytestmark = pytest.mark.bench
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("smoke")


@pytest.mark.parametrize("name", STUDIES)
def test_the_command_ends_with_status_zero(name: str, workspace: Path, record_ratio) -> None:
    start = time.perf_counter()
    ran = subprocess.run(
        [Path(sys.executable).with_name("prefect"), "run", "flows/full_experiment.py",
         f"experiment={name}", "scale=smoke", f"workspace={workspace}"],
        cwd=_ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    record_ratio(f"{name}, scale=smoke", time.perf_counter() - start, bound="reported", unit="s")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "table.md" in ran.stdout
