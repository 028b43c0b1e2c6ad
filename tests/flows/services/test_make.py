"""What `make` passes on of WORKSPACE: blanks as they are, what no database can be in refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def make_status(workspace: str) -> subprocess.CompletedProcess[str]:
    """Run `make status` with this environment, as if it were the checkout's."""
    # As from a terminal: under `make test`, it would be told of the other make.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKELEVEL", "MAKEFLAGS")}
    return subprocess.run(
        ["make", "--no-print-directory", "--old-file=.venv/.installed", "status",
         f"WORKSPACE={workspace}", f"BIN={Path(sys.executable).parent}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
class TestStatus:
    def test_a_blank_belongs_to_the_name(self, tmp_path: Path) -> None:
        ran = make_status(f"{tmp_path}/a b")
        assert "prefect does not run" in ran.stdout
        assert f"logs: {tmp_path}/a b/services" in ran.stdout

    def test_what_no_database_can_be_in_is_one_line(self, tmp_path: Path) -> None:
        ran = make_status(f"{tmp_path}/[y]")
        assert ran.returncode != 0 and ran.stdout == ""
        told = [line for line in ran.stderr.splitlines() if not line.startswith("make: ***")]
        assert len(told) == 1 and "with [ ]; expected a path without" in told[0]
