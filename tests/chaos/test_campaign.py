"""The campaign's own checks, in an interpreter that no other test has started threads in.

They fork; a fork of a process with threads, as JAX's and Icechunk's, may hang.
"""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="uses Linux's mounts and /proc")
def test_the_campaign_finds_what_is_lost_and_runs_real_stages(tmp_path: Path) -> None:
    checks = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "tests/chaos/campaign_checks.py", f"--basetemp={tmp_path / 'checks'}"],
        cwd=_ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert checks.returncode == 0, checks.stdout[-5000:] + checks.stderr[-2000:]
    assert " passed" in checks.stdout and " skipped" not in checks.stdout
