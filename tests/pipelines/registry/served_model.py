"""A registered model behind `mlflow models serve`, on loopback, ended with the test."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_START_SECONDS = 120


@contextmanager
def serving(model_uri: str, *, tracking_uri: str, folder: Path) -> Iterator[str]:
    """Serve a model; give its address."""
    port = free_port()
    log = folder / "serve.log"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model_uri,
               "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    with log.open("wb") as output:
        process = psutil.Popen(
            command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/ping", process, log)
        yield address
    finally:
        end(process)


def end(process: psutil.Popen) -> None:
    """End a process and those that it started."""
    family = [process, *process.children(recursive=True)] if process.is_running() else []
    for one in family:
        one.terminate()
    _, alive = psutil.wait_procs(family, timeout=20)
    for one in alive:
        one.kill()
    process.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"{url} does not answer:\n{log.read_text()[-3000:]}")


def post(url: str, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    """Send a request; give status and body, of errors too."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
