"""Prefect's embedded server, watched: it is known at once why it does not start."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from prefect.settings import get_current_settings

from pipelines.errors import DataError

__all__ = ["EmbeddedServerError", "start_server"]

_ROOT = Path(__file__).resolve().parents[2]
_PAUSE_SECONDS = 0.1
_ANSWER_SECONDS = 2.0
# Variables by which Prefect knows an embedded server of its own.
_VARIABLES = {
    "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1",
}  # fmt: skip
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmbeddedServerError(DataError):
    """The embedded server does not come up; the message says its last words and the cure."""


def start_server(log: Path, *, seconds: float) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server with the present settings of Prefect; give it and its port when it answers.

    It has a session of its own, where Ctrl-C does not reach it before the run has said its last,
    and ends when its standard input, held by this process, does.

    Args:
        log: file for its output, of this start only.
        seconds: how long it may take.

    Raises:
        EmbeddedServerError: if it ends at once, or does not answer in time.
    """
    port = _free_port()
    given = get_current_settings().to_environment_variables(exclude_unset=True)
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.console.server_process", str(port)],
            env={**os.environ, **given, **_VARIABLES, "PYTHONPATH": path},
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + seconds
    while not _answers(f"http://127.0.0.1:{port}/api/health"):
        if process.poll() is not None:
            _close(process)
            raise EmbeddedServerError(
                f"Prefect's embedded server ended at its start: {_last_words(log)}; see {log}; "
                "another workspace=..., or a server of your own (make up), goes around it"
            )
        if time.monotonic() > deadline:
            process.kill()
            _close(process)
            raise EmbeddedServerError(
                f"Prefect's embedded server does not answer after {seconds:.0f} s: "
                f"{_last_words(log)}; see {log}"
            )
        time.sleep(_PAUSE_SECONDS)
    return process, port


def _close(process: subprocess.Popen[bytes]) -> None:
    """Take leave of a process that has ended."""
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with _DIRECTLY.open(url, timeout=_ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _last_words(log: Path) -> str:
    """Give the last line that names an error; else the last one."""
    lines = [
        line.strip()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip() and not line.startswith(" ")
    ]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or ["it said nothing"])[-1]
