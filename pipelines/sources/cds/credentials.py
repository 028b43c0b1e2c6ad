"""Who asks the Climate Data Store: address and key, from where `cdsapi` looks for them."""

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.errors import DataError

__all__ = ["DEFAULT_URL", "Credentials", "is_safe_address", "read_credentials"]

DEFAULT_URL = "https://cds.climate.copernicus.eu/api"
_HOW_TO = (
    "set CDSAPI_KEY, or write the lines `url: " + DEFAULT_URL + "` and `key: <your token>` into "
    "~/.cdsapirc; the token stands on https://cds.climate.copernicus.eu/profile"
)


@dataclass(frozen=True)
class Credentials:
    """Address of the service and the key that is sent to it.

    Attributes:
        url: without a slash at its end, which the client would not survive.
        key: personal access token; never shown by `repr`.
        verify: whether the server's certificate is checked.

    Raises:
        DataError: if the key has the old form, or would travel unencrypted.
    """

    url: str
    key: str = field(repr=False)
    verify: bool = True

    def __post_init__(self) -> None:
        """Refuse what the service would not understand, and what would betray the key."""
        object.__setattr__(self, "url", self.url.strip().rstrip("/"))
        object.__setattr__(self, "key", self.key.strip())
        if not self.key:
            raise DataError(f"found an empty key for the Climate Data Store; {_HOW_TO}")
        if ":" in self.key:
            raise DataError(
                "found a key of the form uid:key, which the Climate Data Store no longer accepts "
                f"since September 2024; {_HOW_TO}"
            )
        if not all("!" <= character <= "~" for character in self.key):
            # In a header it would fail, in words that show it.
            raise DataError(
                "found a key with blanks, line breaks or letters beyond ASCII; expected the token "
                f"alone; {_HOW_TO}"
            )
        if not _is_web_address(self.url):
            raise DataError(f"found the address {self.url!r}; expected one as {DEFAULT_URL}")
        if not is_safe_address(self.url):
            raise DataError(
                f"found the address {self.url}, where the key would travel unencrypted; expected "
                "https:// (plain http only to this machine itself)"
            )

    def redacted(self, text: str) -> str:
        """Take the key out of a text."""
        return text.replace(self.key, "<key>")


def read_credentials() -> Credentials:
    """Read CDSAPI_URL and CDSAPI_KEY, or without a key there the file CDSAPI_RC.

    The file is `~/.cdsapirc` by default, with lines `url: ...`, `key: ...`, `verify: 0|1`.
    The address defaults to the service's own. Unlike `cdsapi`, a key from the environment is
    never sent to an address from the file, which may be that of another service.

    Raises:
        DataError: if there is no key, or it cannot be used.
    """
    url, key, verify = os.environ.get("CDSAPI_URL"), os.environ.get("CDSAPI_KEY"), True
    path = Path(os.environ.get("CDSAPI_RC", "~/.cdsapirc")).expanduser()
    if key is None:
        if not path.is_file():
            raise DataError(f"found no key for the Climate Data Store; {_HOW_TO}")
        entries = _read_file(path)
        if "key" not in entries:
            raise DataError(f"{path}: found no line `key: ...`; {_HOW_TO}")
        key = entries["key"]
        url = url or entries.get("url")
        verify = entries.get("verify", "1") not in ("0", "false", "False")
    return Credentials(url or DEFAULT_URL, key, verify)


def _read_file(path: Path) -> dict[str, str]:
    """Read `name: value` lines."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}); {_HOW_TO}") from error
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that are no IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def is_safe_address(url: str) -> bool:
    """Tell whether a key may be sent to an address: over https, or to this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
