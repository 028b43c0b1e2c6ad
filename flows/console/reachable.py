"""A server that a run needs is asked for before the run begins."""

import socket
import urllib.request
from urllib.parse import urlsplit

from flows.settings.config_error import ConfigError

__all__ = ["ANSWER_SECONDS", "require_server"]

ANSWER_SECONDS = 5.0
"""How long a server has to take a connection."""
_PORTS = {"http": 80, "https": 443, "tcp": 8786}


def require_server(address: str, *, name: str, cure: str) -> None:
    """Check that something listens at an address.

    An address that is reached through a proxy is not checked: only the proxy knows.

    Args:
        address: as `http://host:port/path` or `tcp://host:port`.
        name: of what should listen there, for the message.
        cure: what to do where nothing does.

    Raises:
        ConfigError: if nothing takes a connection within `ANSWER_SECONDS`.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        raise ConfigError(f"{name}: {address!r} is no address ({error}); {cure}") from error
    if host is None or port is None:
        raise ConfigError(f"{name}: {address!r} is no address; expected http://host:port; {cure}")
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return
    try:
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"{name} does not answer at {address} within {ANSWER_SECONDS:.0f} s ({error}); {cure}"
        ) from error
