"""Processes that are started, known again and ended; the real services are tried in a benchmark."""

import json
import os
import socket
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from flows.console.loopback import reach_loopback_directly
from flows.services import local
from flows.services.__main__ import main
from flows.services.local import ServiceSettings, services
from flows.services.process import Running, Service, ServiceError, last_lines, running, start, stop
from flows.services.process import wait_healthy as wait
from tests.flows.console.answering import answering

CHILD = "import subprocess, sys, time; print('hello', flush=True); subprocess.run(['sleep', '60'])"


def sleeper(code: str = CHILD, *, healthy: bool = True) -> Service:
    return Service(
        "sleeper", (sys.executable, "-c", code), os.environ, "nowhere", lambda since: healthy
    )


@pytest.fixture
def folder(tmp_path: Path):
    yield tmp_path
    stop("sleeper", tmp_path)


def started(folder: Path, service: Service) -> psutil.Process:
    return begun(folder, service).process


def begun(folder: Path, service: Service) -> Running:
    return start(service, folder, cwd=folder)


def test_a_started_process_is_known_again_and_ended_with_its_children(folder: Path) -> None:
    process = started(folder, sleeper())
    for _ in range(200):
        if process.children() and (folder / "sleeper.log").read_text():
            break
        time.sleep(0.05)
    (child,) = process.children()
    found = running("sleeper", folder)
    assert found is not None and found.process == process and found.address == "nowhere"
    assert stop("sleeper", folder, seconds=5)
    assert not psutil.pid_exists(process.pid) and not child.is_running()
    assert last_lines(folder / "sleeper.log") == ["hello"]
    assert running("sleeper", folder) is None
    assert not stop("sleeper", folder)


def test_a_number_that_another_process_has_now_is_left_alone(folder: Path) -> None:
    record = {"pid": os.getpid(), "created": 1.0, "address": "nowhere"}
    (folder / "sleeper.json").write_text(json.dumps(record))
    assert running("sleeper", folder) is None
    assert not stop("sleeper", folder)
    assert psutil.Process().is_running()


def test_a_process_that_does_not_end_when_asked_is_killed(folder: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); time.sleep(60)"
    )
    process = started(folder, sleeper(stubborn))
    for _ in range(200):
        if last_lines(folder / "sleeper.log"):
            break
        time.sleep(0.05)
    assert stop("sleeper", folder, seconds=0.6)
    assert not process.is_running()


def test_a_crash_at_start_is_told_with_the_end_of_the_log(folder: Path) -> None:
    service = sleeper("raise SystemExit('no room on the disk')", healthy=False)
    process = begun(folder, service)
    with pytest.raises(ServiceError, match=r"sleeper ended at its start; .*\n  no room on the"):
        wait(service, process, folder)


def test_a_service_that_never_answers_is_told(folder: Path) -> None:
    service = sleeper(healthy=False)
    process = begun(folder, service)
    with pytest.raises(ServiceError, match="sleeper does not answer after 0 s; the end of"):
        wait(service, process, folder, seconds=0.0)


def test_a_taken_port_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        arguments = ["up", "--workspace", str(tmp_path), "--prefect-port", str(port)]
        assert main(arguments) == 1
    assert f"error: port {port} is taken by another program; expected" in capsys.readouterr().err
    assert list((tmp_path / "services").glob("*.json")) == []


def test_nothing_runs_in_a_new_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--workspace", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[:3] == [
        "prefect does not run", "mlflow does not run", "worker does not run",
    ]  # fmt: skip
    assert main(["down", "--workspace", str(tmp_path)]) == 0
    assert "prefect: did not run" in capsys.readouterr().out


def test_services_listen_on_loopback_and_keep_their_things_in_the_workspace(
    tmp_path: Path,
) -> None:
    prefect, mlflow, worker = services(ServiceSettings(tmp_path), {})
    for service in (prefect, mlflow):
        assert service.command[service.command.index("--host") + 1] == "127.0.0.1"
    assert str(tmp_path) in prefect.environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert worker.environment["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"


def test_other_databases_of_the_environment_count(tmp_path: Path) -> None:
    given = {"MLFLOW_BACKEND_STORE_URI": "postgresql://db/mlflow"}
    _, mlflow, _ = services(ServiceSettings(tmp_path), given)
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://db/mlflow"


def test_ports_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="port is 70000; expected 1 to 65535"):
        ServiceSettings(prefect_port=70000)
    with pytest.raises(ValueError, match="both ports are 4200; expected different ones"):
        ServiceSettings(mlflow_port=4200)


def test_services_are_asked_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody listens there
    # What an earlier test asked for without a proxy is remembered as the way to every address.
    monkeypatch.setattr(urllib.request, "_opener", None)
    with answering(200, b"0") as url:
        assert local._get(url, body={}) is None
        reach_loopback_directly(os.environ)
        assert local._get(url, body={}) == "0"


def test_ctrl_c_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.services.__main__.up", interrupted)
    assert main(["up", "--workspace", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "stopped by SIGINT: `make down` ends what was started\n"
