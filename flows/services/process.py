"""A service as a local process: started once, known again by pid and start time, ended whole."""

import json
import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipelines.atomic import write_text

__all__ = [
    "Running",
    "Service",
    "ServiceError",
    "last_lines",
    "running",
    "start",
    "stop",
    "wait_healthy",
]

_START_SECONDS = 240.0  # Prefect's server makes its database first; machines are busy
_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_SHOWN_LINES = 15
_log = logging.getLogger("flows.services")


class ServiceError(RuntimeError):
    """A service does not do what it should; the message says what and shows its log's end."""


@dataclass(frozen=True)
class Service:
    """What to start and how to see that it works.

    Attributes:
        name: of its log and its record.
        command: program and arguments.
        environment: of the process, all of it.
        address: to open in a browser, or a few words where there is none.
        is_healthy: tells whether it answers; is given the moment of its start [s].
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    address: str
    is_healthy: Callable[[float], bool] = field(repr=False)


@dataclass(frozen=True)
class Running:
    """A process that `start` started, and that lives.

    Attributes:
        process: a handle that never means another process with the same number.
        address: as the service had it when it was started.
    """

    process: psutil.Process
    address: str


def start(service: Service, folder: Path, *, cwd: Path) -> Running:
    """Start a service in a session of its own; its output goes to `folder/<name>.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{service.name}.log").open("ab") as log:
        child = subprocess.Popen(
            list(service.command), env=dict(service.environment), cwd=cwd, stdout=log,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    process = psutil.Process(child.pid)
    # It outlives this program on purpose: Python need not warn that nobody waited for it.
    child.returncode = 0
    record = {
        "pid": process.pid, "created": process.create_time(), "address": service.address,
    }  # fmt: skip
    write_text(_record(folder, service.name), json.dumps(record))
    return Running(process, service.address)


def running(name: str, folder: Path) -> Running | None:
    """Give the process that was started under a name; None where it has ended.

    A process that got the same number later is another one: it started at another time.
    """
    try:
        record = json.loads(_record(folder, name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    try:
        process = psutil.Process(record["pid"])
        is_same = process.create_time() == record["created"]
        if not is_same or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return Running(process, record["address"])


def wait_healthy(
    service: Service, started: Running, folder: Path, *, seconds: float = _START_SECONDS
) -> None:
    """Wait until a service answers.

    Raises:
        ServiceError: if its process ends, or it does not answer in time; with the last lines
            of its log.
    """
    since = started.process.create_time()
    deadline = time.monotonic() + seconds
    while not service.is_healthy(since):
        if not _is_alive(started.process):
            raise ServiceError(
                f"{service.name} ended at its start; {_end_of_log(service.name, folder)}"
            )
        if time.monotonic() > deadline:
            raise ServiceError(
                f"{service.name} does not answer after {seconds:.0f} s; "
                f"{_end_of_log(service.name, folder)}"
            )
        time.sleep(_PAUSE_SECONDS)


def stop(name: str, folder: Path, *, seconds: float = _STOP_SECONDS) -> bool:
    """End a service and every process that it started; give whether there was one.

    It is asked first (SIGTERM) and killed after a while.
    """
    found = running(name, folder)
    if found is not None:
        # A handle keeps the start time: a number that is in use again is not touched.
        family = [found.process, *found.process.children(recursive=True)]
        found.process.terminate()
        _, alive = psutil.wait_procs([found.process], timeout=seconds)
        for process in family:
            if process.is_running() and process not in alive:
                process.terminate()
        _, alive = psutil.wait_procs(family, timeout=seconds / 3)
        for process in alive:
            _log.warning("%s: process %d did not end when asked; killed", name, process.pid)
            process.kill()
        psutil.wait_procs(alive, timeout=seconds / 3)
    _record(folder, name).unlink(missing_ok=True)
    return found is not None


def last_lines(path: Path, *, num: int = _SHOWN_LINES) -> list[str]:
    """Give the last lines of a log; none without a log."""
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-num:]


def _end_of_log(name: str, folder: Path) -> str:
    path = folder / f"{name}.log"
    return "\n  ".join([f"the end of {path}:", *last_lines(path)])


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _is_alive(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
