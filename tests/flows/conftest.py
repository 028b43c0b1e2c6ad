"""A Prefect server for the runs of many tests: an embedded one takes each longer than its flow."""

from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_HOME, temporary_settings

from flows.console.embedded_server import start_server


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that the user has started, for PREFECT_API_URL."""
    folder = tmp_path_factory.mktemp("prefect_server")
    with temporary_settings({PREFECT_HOME: folder}):
        server, port = start_server(folder / "server.log", seconds=180)
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        assert server.stdin is not None
        server.stdin.close()  # which it ends with
        server.wait(timeout=60)
