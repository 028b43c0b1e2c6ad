"""The session of one download: without the key, and with a memory of what the store said."""

import re
from typing import Any

import requests

from pipelines.formats.web_page import web_page
from pipelines.sources.cds.service_errors import Damaged, ObjectRefused, Unreachable

__all__ = ["TransferSession"]

_GONE, _DENIED = (404, 410), (401, 403)
_PASSING = (408, 425, 429)


class TransferSession(requests.Session):
    """Fetches one file for the service's client, which resumes it and forgets every reply.

    The client glues what a range request brings to what it has, without asking whether it is
    the same object; and it tells a store's refusal only as 0 bytes.

    Attributes:
        has_changed: True once the bytes of two objects were put together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.has_changed = False
        self._version: str | None = None
        self._refusal: requests.Response | None = None

    def get(  # type: ignore[override]  # as the client calls it
        self, url: str | bytes, **options: Any
    ) -> requests.Response:
        """Fetch a file, or the rest of one; the reply's object must be that of the last reply."""
        self._refusal = None
        reply = super().get(url, **options)
        if not reply.ok:
            self._refusal = reply
            return reply
        is_rest = any(name.lower() == "range" for name in options.get("headers") or {})
        version = reply.headers.get("ETag") or reply.headers.get("Last-Modified")
        if not is_rest:
            self.has_changed = False
        elif version != self._version and None not in (version, self._version):
            self.has_changed = True
        self._version = version
        return reply

    def refusal(self) -> Exception | None:
        """Tell why the store did not give the file at the last attempt; None where it did.

        Returns:
            `Unreachable` where it may at another time, `ObjectRefused` where it does not allow
            it, `Damaged` where it has no such file.
        """
        if self._refusal is None:
            return None
        code = self._refusal.status_code
        told = f"status {code}: {_words(self._refusal)}"
        if code in _GONE:
            return Damaged(f"the file is not in the service's store of files ({told})")
        if code in _DENIED:
            host = (self._refusal.url or "").split("?")[0]
            return ObjectRefused(
                f"the service's store of files refuses {host} ({told}), though the job succeeded"
            )
        if code in _PASSING or code >= 500:
            return Unreachable(f"the service's store of files does not answer ({told})"[:300])
        return Damaged(f"the service's store of files does not give the file ({told})")


def _words(reply: requests.Response) -> str:
    """Give the store's own explanation: of XML its code and message, of HTML its title."""
    text = reply.text[:2000]
    words = re.findall(r"<(?:Code|Message)>([^<]*)<", text)
    return ": ".join(words) or web_page(text) or reply.reason or "no explanation"
