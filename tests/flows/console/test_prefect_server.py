"""The user's own Prefect server answers and takes the key, or is named in one line."""

import socket

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    temporary_settings,
)

from flows.console import prefect_server
from flows.console.prefect_server import require_prefect
from flows.settings.config_error import ConfigError
from tests.flows.console.answering import answering


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"{}", r"refuses the key \(status 401\); expected its key in PREFECT_API_KEY"),
        (403, b"{}", r"refuses the key \(status 403\)"),
        (404, b"{}", r"is not Prefect \(status 404\); expected an address as http"),
        (200, b"<html>", r"is not Prefect \(status 200\)"),
    ],
)
def test_a_server_that_is_of_no_use_is_named(status: int, body: bytes, said: str) -> None:
    with (
        answering(status, body) as url,
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(ConfigError, match=said) as error,
    ):
        require_prefect()
    assert "\n" not in str(error.value) and url in str(error.value)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        (PREFECT_API_KEY, "pnu_1", "Bearer pnu_1"),
        (PREFECT_API_AUTH_STRING, "me:secret", "Basic bWU6c2VjcmV0"),
    ],
)
def test_the_key_of_the_settings_is_shown(setting, value: str, said: str) -> None:
    heard: list[str] = []
    with (
        answering(200, b"12", heard=heard) as url,
        temporary_settings({PREFECT_API_URL: url, setting: value}),
    ):
        require_prefect()
    assert heard == [said]


def test_a_server_that_takes_connections_and_is_silent_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefect_server, "ANSWER_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        with (
            temporary_settings({PREFECT_API_URL: url}),
            pytest.raises(ConfigError, match=r"does not answer at .* \(timed out\); start it"),
        ):
            require_prefect()
