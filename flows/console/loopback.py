"""Addresses of this machine are reached directly, whatever proxy the environment names."""

import importlib.util
from collections.abc import Mapping, MutableMapping

from flows.settings.config_error import ConfigError

__all__ = ["LOOPBACK", "reach_loopback_directly", "require_usable_proxies"]

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


def require_usable_proxies(proxies: Mapping[str, str]) -> None:
    """Check that Prefect's client can be made: it prepares for every proxy, asked or not.

    Args:
        proxies: scheme -> address, as `urllib.request.getproxies` finds them.

    Raises:
        ConfigError: if one is a SOCKS proxy, for which a package is missing.
    """
    socks = [address for address in proxies.values() if address.startswith("socks")]
    if socks and importlib.util.find_spec("socksio") is None:
        raise ConfigError(
            f"the environment names the SOCKS proxy {socks[0]}, for which a package is missing; "
            "pip install socksio, or unset ALL_PROXY and its like"
        )
