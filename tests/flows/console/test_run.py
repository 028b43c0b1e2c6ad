"""Prefect's server starts beside the import of a flow, and only where a flow will run."""

import errno
import threading
from pathlib import Path

import pytest
from prefect.server.api import server
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.console import run as console
from flows.console.embedded_server import EmbeddedServerError
from flows.console.run import run_loaded_meanwhile
from pipelines.errors import DataError
from tests.flows.console.answering import answering

_PATIENCE = 30  # seconds


class Server:
    """Stands in for Prefect's embedded one; is up once the flow is loaded."""

    begun, loaded = threading.Event(), threading.Event()
    is_up = False

    def stop(self) -> None: ...


def start_server(log: Path, *, seconds: float) -> tuple[None, int]:
    Server.begun.set()
    assert Server.loaded.wait(_PATIENCE), "the flow was not loaded meanwhile"
    Server.is_up = True
    return None, 1


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch):
    Server.begun, Server.loaded, Server.is_up = threading.Event(), threading.Event(), False
    monkeypatch.setattr(server, "SubprocessASGIServer", Server)
    monkeypatch.setattr(console, "start_server", start_server)
    # Signals of the tests stay pytest's.
    monkeypatch.setattr(console.Interruption, "watch", lambda self: None)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


def test_a_flow_is_loaded_while_the_server_starts_and_run_when_it_is_up(tmp_path: Path) -> None:
    seen = []

    def load():
        assert Server.begun.wait(_PATIENCE), "the server was not started meanwhile"
        Server.loaded.set()
        return lambda overrides: seen.append((overrides, Server.is_up))

    run_loaded_meanwhile(load, [f"workspace={tmp_path}"], config="full_experiment")
    assert seen == [([f"workspace={tmp_path}"], True)]


def test_a_wrong_override_starts_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_loaded_meanwhile(lambda: None, ["experiment=nope"], config="full_experiment")
    assert "no experiment 'nope'" in capsys.readouterr().err
    assert not Server.begun.is_set()


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        ("full_experiment", ["models.tau.network.num_blocks=0"],
         "models.tau.network: num_blocks is 0; expected at least 2"),
        ("replay", ["experiment=mumbai_monthly", "models.met2net.network.num_blocks=0"],
         "models.met2net.network: num_blocks is 0; expected at least 1"),
        ("backfill", ["source.max_in_flight=0"], "source.max_in_flight is 0; expected 1 to 32"),
        ("forecast", ["experiment=mumbai_monthly", "num_leads=0"],
         "num_leads is 0; expected a number from 1 on"),
    ],
)  # fmt: skip
def test_what_only_building_finds_wrong_starts_no_server_and_loads_no_flow(
    config: str, overrides: list[str], message: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def load() -> None:
        raise AssertionError("the flow was loaded")

    with pytest.raises(SystemExit, match="2"):
        run_loaded_meanwhile(load, [*overrides, f"workspace={tmp_path}"], config=config)
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not Server.begun.is_set()


def test_who_has_a_server_gets_no_other(tmp_path: Path) -> None:
    with answering(200, b"0") as url, temporary_settings({PREFECT_API_URL: url}):
        run_loaded_meanwhile(
            lambda: lambda overrides: None, [f"workspace={tmp_path}"], config="full_experiment"
        )
    assert not Server.begun.is_set()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("tracking.uri=http://127.0.0.1:1", "MLflow's server (tracking.uri) does not answer at"),
        (
            "cluster=distributed cluster.address=tcp://127.0.0.1:1",
            "Dask's scheduler (cluster.address) does not answer at tcp://127.0.0.1:1 within 5 s",
        ),
        ("workspace=", "workspace is ''; expected a path"),
        ("workspace=a%20b", "with %; expected a path without"),
        ("workspace=what?", "with ?; expected a path without"),
        (f"workspace=/tmp/{'/'.join(['a' * 90] * 5)}", "expected at most 450: SQLite opens no"),
        (f"workspace=/tmp/{'a' * 300}", "has a name of 300 bytes on its path; expected at most"),
        ("workspace=/proc/none", "'/proc/none'; expected a folder that can be made"),
    ],
)
def test_what_a_run_cannot_use_is_one_line_before_anything_starts(
    override: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [f"workspace={tmp_path}", *override.split()]
    with pytest.raises(SystemExit, match="2"):
        run_loaded_meanwhile(lambda: None, overrides, config="full_experiment")
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not Server.begun.is_set()


def test_a_dead_server_of_the_users_own_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}),
        pytest.raises(SystemExit, match="2"),
    ):
        run_loaded_meanwhile(lambda: None, [f"workspace={tmp_path}"], config="full_experiment")
    error = capsys.readouterr().err
    assert "Prefect's server (PREFECT_API_URL, or the active profile) does not answer" in error
    assert "make up" in error and error.count("\n") == 1


def test_an_embedded_server_that_cannot_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(log: Path, *, seconds: float) -> None:
        raise EmbeddedServerError("the database is newer")

    monkeypatch.setattr(console, "start_server", refuse)
    with pytest.raises(SystemExit, match="1"):
        run_loaded_meanwhile(lambda: None, [f"workspace={tmp_path}"], config="full_experiment")
    assert capsys.readouterr().err == "error: the database is newer\n"


def test_a_file_that_cannot_be_loaded_is_a_users_mistake(tmp_path: Path) -> None:
    def load():
        Server.loaded.set()
        raise DataError("no flow")

    with pytest.raises(SystemExit, match="2"):
        run_loaded_meanwhile(load, [f"workspace={tmp_path}"], config="full_experiment")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_is_one_line(code: int, tmp_path: Path, capsys) -> None:
    def run(overrides: list[str]) -> None:
        raise OSError(code, "no room", "/some/file")

    Server.loaded.set()
    with pytest.raises(SystemExit, match="1"):
        run_loaded_meanwhile(lambda: run, [f"workspace={tmp_path}"], config="full_experiment")
    said = capsys.readouterr().err
    assert "no room: '/some/file'; expected room to write" in said and said.count("\n") == 1


def test_any_other_error_of_the_system_is_not_hidden(tmp_path: Path) -> None:
    def run(overrides: list[str]) -> None:
        raise OSError(errno.EIO, "broken disk")

    Server.loaded.set()
    with pytest.raises(OSError, match="broken disk"):
        run_loaded_meanwhile(lambda: run, [f"workspace={tmp_path}"], config="full_experiment")
