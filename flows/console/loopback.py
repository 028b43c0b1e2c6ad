"""Addresses of this machine are reached directly, whatever proxy the environment names."""

from collections.abc import MutableMapping

__all__ = ["LOOPBACK", "reach_loopback_directly"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_VARIABLES = ("NO_PROXY", "no_proxy")


def reach_loopback_directly(environment: MutableMapping[str, str]) -> None:
    """Add the names of this machine to the list of hosts that no proxy is asked for.

    Both spellings of the variable are set: programs differ in which one they read.
    """
    listed = [h.strip() for name in _VARIABLES for h in environment.get(name, "").split(",")]
    hosts = list(dict.fromkeys([*filter(None, listed), *LOOPBACK]))
    for name in _VARIABLES:
        environment[name] = ",".join(hosts)
