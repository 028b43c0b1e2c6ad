"""Prefect server, MLflow server and a worker as local processes: up, down, status."""

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.services.process import Service, ServiceError, running, start, stop, wait_healthy
from flows.services.server_setup import HEARTBEAT_SECONDS, set_up_server

__all__ = ["ServiceSettings", "down", "services", "status", "up"]

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_SECONDS = 5.0
PREFECT, MLFLOW, WORKER = "prefect", "mlflow", "worker"


@dataclass(frozen=True)
class ServiceSettings:
    """Where services listen and keep their things.

    Attributes:
        workspace: databases, logs and records lie in it.
        host: address to listen on; loopback unless somebody says otherwise.
        prefect_port: of Prefect's API and page.
        mlflow_port: of MLflow's.
        pool: the worker's work pool, made as a process pool where there is none.
    """

    workspace: Path = Path("workspace")
    host: str = "127.0.0.1"
    prefect_port: int = 4200
    mlflow_port: int = 5000
    pool: str = "met2net"

    def __post_init__(self) -> None:
        """Check the ports."""
        for port in (self.prefect_port, self.mlflow_port):
            if not 0 < port < 65536:
                raise ValueError(f"port is {port}; expected 1 to 65535")
        if self.prefect_port == self.mlflow_port:
            raise ValueError(f"both ports are {self.mlflow_port}; expected different ones")

    @property
    def folder(self) -> Path:
        """Where logs and records are."""
        return self.workspace.resolve() / "services"

    @property
    def reachable_host(self) -> str:
        """Address under which this machine reaches the services."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host

    @property
    def api_url(self) -> str:
        """Prefect's API."""
        return f"http://{self.reachable_host}:{self.prefect_port}/api"

    @property
    def mlflow_url(self) -> str:
        """MLflow's page and API."""
        return f"http://{self.reachable_host}:{self.mlflow_port}"


def services(settings: ServiceSettings, environment: Mapping[str, str]) -> list[Service]:
    """Describe the services, in the order in which they start.

    Variables of the environment that name other databases (`MLFLOW_BACKEND_STORE_URI`,
    `PREFECT_SERVER_DATABASE_CONNECTION_URL`) count; without them both lie in the workspace.
    """
    workspace = settings.workspace.resolve()
    python = sys.executable
    common = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
              "PYTHONUNBUFFERED": "1", **environment}  # fmt: skip
    server = {
        # The database of the embedded server: runs of before are seen in the page.
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": (
            f"sqlite+aiosqlite:///{workspace / 'prefect' / 'prefect.db'}"
        ),
        "PREFECT_MEMO_STORE_PATH": str(workspace / "prefect" / "memo_store.toml"),
        # Who holds a slot is known after a restart; kept in memory, slots would stay taken.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_HOME": str(workspace / "prefect" / "home"),  # leases lie in it
        "PREFECT_SERVER_UI_API_URL": "/api",  # of whatever address the page was opened under
        **common,
    }
    worker = {
        **common,
        # Runs begin in a folder of their own and still load this checkout, not an installed one.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), common.get("PYTHONPATH")])),
        "PREFECT_API_URL": settings.api_url,
        "PREFECT_LOCAL_STORAGE_PATH": str(workspace / "prefect" / "storage"),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    }
    tracking = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{workspace / 'mlflow.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": str(workspace / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # of no use here, and several processes
        **common,
    }
    mlflow = f"{settings.mlflow_url}/health"
    prefect_command = (python, "-m", "prefect")
    return [
        Service(
            PREFECT,
            (*prefect_command, "server", "start", "--host", settings.host,
             "--port", str(settings.prefect_port)),
            server, settings.api_url.removesuffix("/api"),
            lambda since: _get(f"{settings.api_url}/health") is not None,
        ),
        Service(
            MLFLOW,
            (python, "-m", "mlflow", "server", "--host", settings.host,
             "--port", str(settings.mlflow_port), "--workers", "1"),
            tracking, settings.mlflow_url,
            lambda since: _get(mlflow) is not None,
        ),
        Service(
            WORKER,
            (*prefect_command, "worker", "start", "--pool", settings.pool, "--type", "process",
             "--name", f"{socket.gethostname()} ({workspace.name})"),
            worker, f"pool {settings.pool}",
            lambda since: _has_worker(settings, since),
        ),
    ]  # fmt: skip


def up(settings: ServiceSettings) -> list[str]:
    """Start what does not run; give a line for each service.

    Raises:
        ServiceError: if a port is taken by another program, or a service does not come up.
    """
    lines = []
    with _alone(settings):
        (settings.workspace.resolve() / "prefect").mkdir(exist_ok=True)  # SQLite makes no folder
        for service in services(settings, os.environ):
            found = running(service.name, settings.folder)
            if found is not None:
                lines.append(f"{service.name} runs already: {found.address}")
            else:
                _check_port(service, settings)
                started = start(service, settings.folder, cwd=_ROOT)
                wait_healthy(service, started, settings.folder)
                lines.append(f"{service.name} is up: {service.address}")
            if service.name == PREFECT:
                with temporary_settings({PREFECT_API_URL: settings.api_url}):
                    lines += [f"  made {name}" for name in set_up_server()]
    return lines


def down(settings: ServiceSettings) -> list[str]:
    """End exactly the processes that `up` started; give a line for each service."""
    with _alone(settings):
        return [
            f"{name}: {'ended' if stop(name, settings.folder) else 'did not run'}"
            for name in (WORKER, MLFLOW, PREFECT)
        ]


def status(settings: ServiceSettings) -> tuple[list[str], bool]:
    """Give a line for each service, and whether all answer."""
    lines, all_well = [], True
    for service in services(settings, os.environ):
        found = running(service.name, settings.folder)
        if found is None:
            state = "does not run"
        elif service.is_healthy(found.process.create_time()):
            state = f"answers: {found.address}"
        else:
            state = f"runs and does not answer: {found.address}"
        all_well &= state.startswith("answers")
        lines.append(f"{service.name} {state}")
    return lines, all_well


def _alone(settings: ServiceSettings) -> filelock.BaseFileLock:
    """Keep a second `up` or `down` of the same workspace waiting."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(settings.folder / ".lock")


def _check_port(service: Service, settings: ServiceSettings) -> None:
    """Refuse a port on which something else listens; its answers would pass for ours."""
    ports = {PREFECT: settings.prefect_port, MLFLOW: settings.mlflow_port}
    port = ports.get(service.name)
    if port is None:
        return
    with socket.socket() as probe:
        probe.settimeout(_ANSWER_SECONDS)
        if probe.connect_ex((settings.reachable_host, port)) == 0:
            raise ServiceError(
                f"port {port} is taken by another program; expected it free for {service.name}: "
                f"{service.name.upper()}_PORT=... chooses another"
            )


def _has_worker(settings: ServiceSettings, since: float) -> bool:
    """Tell whether the pool has a worker that has asked for work since a moment."""
    found = _get(f"{settings.api_url}/work_pools/{settings.pool}/workers/filter", body={})
    return found is not None and any(
        entry["status"] == "ONLINE"
        and datetime.fromisoformat(entry["last_heartbeat_time"]).timestamp() >= since
        for entry in json.loads(found)
    )


def _get(url: str, *, body: Any = None) -> str | None:
    """Give what an address answers; None where it does not, or with an error."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return None
