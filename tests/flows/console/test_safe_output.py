"""Output that cannot be written loses characters or goes nowhere; the command's status stays."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.console.safe_output import make_output_safe

ROOT = Path(__file__).resolve().parents[3]
RESULT = """
import sys
from rich.table import Table
from flows.console.result import result_console
from flows.console.safe_output import make_output_safe

make_output_safe()
console = result_console()
for _ in range(2000):
    table = Table("RMSE [°C]")
    table.add_row("Pré")
    console.print(table)
console.print("a path", soft_wrap=True)
print("error: none", file=sys.stderr)
"""


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program that prints results in a shell's pipeline."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, "bash", sys.executable, RESULT], cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment, capture_output=True,
    )  # fmt: skip


def test_characters_that_a_terminal_lacks_are_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
        monkeypatch.setattr(sys, name, stream)
    make_output_safe()
    print("20 °C")
    print("é", file=sys.stderr)
    for stream, written in ((sys.stdout, rb"20 \xb0C"), (sys.stderr, rb"\xe9")):
        stream.flush()
        assert stream.buffer.getvalue() == written + b"\n"


def test_streams_that_are_closed_take_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    make_output_safe()
    print("anything")
    print("anything", file=sys.stderr)
    sys.stdout.close()
    sys.stderr.close()


def test_results_are_printed_to_a_terminal_that_knows_ascii_alone() -> None:
    ran = shell('"$1" -c "$2"', PYTHONIOENCODING="ascii")
    assert ran.returncode == 0 and rb"[\xb0C]" in ran.stdout
    assert ran.stderr == b"error: none\n"


@pytest.mark.parametrize(
    "command",
    ['"$1" -c "$2" | head -n 1', '"$1" -c "$2" >&-', '"$1" -c "$2" >/dev/full'],
    ids=["a reader that goes", "a closed stdout", "a full disk behind stdout"],
)
def test_results_that_nobody_can_read_change_no_status(command: str) -> None:
    ran = shell(command)
    assert ran.returncode == 0
    assert ran.stderr == b"error: none\n"


def test_a_closed_stderr_changes_no_status() -> None:
    ran = shell('"$1" -c "$2" 2>&-')
    assert ran.returncode == 0 and ran.stdout.endswith(b"a path\n")
