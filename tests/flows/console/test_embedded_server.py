"""Why Prefect's embedded server does not start is known in seconds, in its own words."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

from flows.console import embedded_server
from flows.console.embedded_server import EmbeddedServerError, start_server
from flows.console.loopback import reach_loopback_directly, require_usable_proxies
from flows.settings.config_error import ConfigError


def test_a_damaged_database_is_told_by_the_servers_last_words(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(b"no database" * 1000)
    url = f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"
    with (
        temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: url}),
        pytest.raises(EmbeddedServerError, match="file is not a database") as error,
    ):
        start_server(tmp_path / "server.log", seconds=170)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "server.log") in str(error.value)


def test_a_newer_database_is_told(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "prefect.db")) as database, database:
        database.execute("create table alembic_version (version_num varchar(32) not null)")
        database.execute("insert into alembic_version values ('ffffffffffff')")
    url = f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"
    with (
        temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: url}),
        pytest.raises(EmbeddedServerError, match="Can't locate revision identified by 'fffff"),
    ):
        start_server(tmp_path / "server.log", seconds=170)


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_server, "_answers", lambda url: False)
    with pytest.raises(EmbeddedServerError, match="does not answer after 0 s"):
        start_server(tmp_path / "server.log", seconds=0.0)


def test_a_server_ends_when_its_parent_does(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.console.server_process", "1"], stdin=subprocess.PIPE,
        cwd=Path(embedded_server.__file__).parents[2],
    )  # fmt: skip
    time.sleep(0.5)
    assert server.stdin is not None
    server.stdin.close()
    assert server.wait(timeout=30) == 1


def test_loopback_is_reached_without_the_proxy_and_other_hosts_are_kept() -> None:
    environment = {"NO_PROXY": "my.host", "HTTP_PROXY": "http://proxy:3128"}
    reach_loopback_directly(environment)
    assert environment["NO_PROXY"] == environment["no_proxy"] == "my.host,127.0.0.1,localhost,::1"
    reach_loopback_directly(environment)
    assert environment["NO_PROXY"] == "my.host,127.0.0.1,localhost,::1"


def test_a_socks_proxy_is_one_line_where_its_package_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_usable_proxies({"http": "http://proxy:3128", "no": "127.0.0.1"})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"the SOCKS proxy socks5://proxy:1080, for which a pa"):
        require_usable_proxies({"http": "http://proxy:3128", "all": "socks5://proxy:1080"})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    require_usable_proxies({"all": "socks5://proxy:1080"})
