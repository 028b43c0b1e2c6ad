"""What can go wrong with the service, and which of its replies means what."""

import requests

from pipelines.errors import DataError
from pipelines.sources.cds.credentials import Credentials

__all__ = [
    "Damaged",
    "JobFailed",
    "JobGone",
    "Refused",
    "ResultsExpired",
    "TooLarge",
    "Unreachable",
    "translated",
]


class Unreachable(Exception):
    """A call that was not answered as it should be, and may be if it is repeated.

    Attributes:
        retry_after: how long the service asked to wait [s], or None.
        may_have_happened: whether the service could have carried the call out all the same.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, may_have_happened: bool = True
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.may_have_happened = may_have_happened


class Refused(DataError):
    """The service refuses this account, whatever it asks; the message says what to do."""


class Damaged(Exception):
    """A file that did not arrive as the service announced it, or is not what was asked for."""


class JobFailed(Exception):
    """A job that ended without a result; the message is the service's."""


class JobGone(Exception):
    """A job that the service does not know (any more), or does not show to this account."""


class ResultsExpired(Exception):
    """A job whose result the service has thrown away."""


class TooLarge(Exception):
    """A request that costs more than the service allows."""


def translated(error: requests.HTTPError, dataset: str, credentials: Credentials) -> Exception:
    """Tell a lasting refusal from a passing one.

    Args:
        error: holds the service's reply.
        dataset: the data set that was called; empty for a call about jobs.
        credentials: whose key is kept out of all messages.
    """
    reply = error.response
    code = reply.status_code
    text = credentials.redacted(" ".join(_words(reply).split()))
    if code in (408, 429) or code >= 500:
        return Unreachable(
            f"status {code}: {text}"[:300],
            retry_after=_retry_after(reply),
            may_have_happened=code != 429,
        )
    if code == 401:
        return Refused(
            f"the Climate Data Store does not accept the key ({text}); expected the personal "
            "access token that stands on your profile page there"
        )
    if code == 403 and "licence" in text.lower():
        page = credentials.url.removesuffix("/api")
        return Refused(
            f"the Climate Data Store wants its licence for {dataset} accepted first: visit "
            f"{page}/datasets/{dataset}?tab=download#manage-licences, accept, and run again"
        )
    if code == 403 and ("cost" in text.lower() or "too large" in text.lower()):
        return TooLarge(text)
    if code == 403 and not dataset:
        # As after a change of account: the jobs of the last one stay its own.
        return JobGone(f"the job is not shown to this account: {text}")
    if code == 404 and "expired" in text.lower():
        return ResultsExpired(text)
    if code == 404 and "job" in text.lower():
        return JobGone(text)
    if code == 404 and dataset:
        return Refused(
            f"the Climate Data Store at {credentials.url} knows no data set {dataset} "
            f"({text}); expected one: check the address"
        )
    if code == 400 and "job" in text.lower():
        return JobFailed(text)
    return DataError(
        f"the Climate Data Store refuses the call: status {code}: {text}; expected it to be "
        f"granted{f' for {dataset}' if dataset else ''}"
    )


def _words(reply: requests.Response) -> str:
    """Give the service's own explanation: title, message, detail."""
    try:
        body = reply.json()
    except ValueError:
        return reply.reason or "no explanation"
    if not isinstance(body, dict):
        return reply.reason or "no explanation"
    words = [str(body[name]) for name in ("title", "traceback", "detail") if body.get(name)]
    return ": ".join(words) or reply.reason or "no explanation"


def _retry_after(reply: requests.Response) -> float | None:
    """Read `Retry-After` in seconds; a date there is not used by this service."""
    try:
        return max(0.0, float(reply.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
