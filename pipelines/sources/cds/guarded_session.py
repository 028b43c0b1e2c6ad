"""A session that keeps the key from travelling unencrypted, wherever links may point."""

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from pipelines.sources.cds.credentials import is_safe_address
from pipelines.sources.cds.service_errors import Refused

__all__ = ["GuardedSession"]

_KEY_HEADER = "PRIVATE-TOKEN"


class GuardedSession(requests.Session):
    """Follows the service's links and redirects as far as the key may go.

    The service answers with addresses of its own (of jobs, results, further pages), which a
    badly set proxy turns into `http://`; the client sends the key to any of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mount("http://", _LoopbackOnly())

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Leave the key behind where a redirect leads to another host."""
        super().rebuild_auth(prepared_request, response)
        before, after = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(before, after):
            prepared_request.headers.pop(_KEY_HEADER, None)


class _LoopbackOnly(HTTPAdapter):
    """Sends a key over plain http to this machine alone."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """Send, or refuse before anything leaves."""
        url = request.url or ""
        if _KEY_HEADER in request.headers and not is_safe_address(url):
            raise Refused(
                f"the Climate Data Store led to {url.split('?')[0]}, where the key would travel "
                "unencrypted; expected https:// links from it"
            )
        return super().send(request, *args, **kwargs)
