"""What can go wrong with the service, and which of its replies means what."""

import re

import requests

from pipelines.errors import DataError
from pipelines.formats.web_page import web_page
from pipelines.sources.cds.credentials import Credentials

__all__ = [
    "Damaged",
    "JobFailed",
    "JobGone",
    "NotReleased",
    "ObjectRefused",
    "Refused",
    "ResultsExpired",
    "TooLarge",
    "Unreachable",
    "translated",
]

# The service's words for hours that it does not have yet, and MARS's for those that it never has.
_NOT_RELEASED = re.compile(r"available yet|latest date available|returned no data", re.IGNORECASE)


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


class NotReleased(DataError):
    """Hours that the service does not have (yet); another look at once would not bring them."""


class Damaged(Exception):
    """A file that did not arrive as the service announced it, or is not what was asked for."""


class ObjectRefused(Damaged):
    """A file that its store does not hand out, though the service says that it is there."""


class JobFailed(Exception):
    """A job that ended without a result; the message is the service's."""

    @property
    def is_not_released(self) -> bool:
        """Tell whether the service has no data for the request, so that repeating is vain."""
        return _NOT_RELEASED.search(str(self)) is not None


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
    assert reply is not None  # `raise_for_status` puts it there
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
    if dataset:
        return _about_data_set(code, text, dataset, credentials)
    return _about_job(reply, text)


def _about_data_set(code: int, text: str, dataset: str, credentials: Credentials) -> Exception:
    """Translate the refusal of a request for data."""
    if code == 403 and "licence" in text.lower():
        page = credentials.url.removesuffix("/api")
        return Refused(
            f"the Climate Data Store wants its licence for {dataset} accepted first: visit "
            f"{page}/datasets/{dataset}?tab=download#manage-licences, accept, and run again"
        )
    if code == 403 and ("cost" in text.lower() or "too large" in text.lower()):
        return TooLarge(text)
    if code == 404:
        return Refused(
            f"the Climate Data Store at {credentials.url} knows no data set {dataset} "
            f"({text}); expected one: check the address"
        )
    return DataError(
        f"the Climate Data Store refuses the call: status {code}: {text}; expected it to be "
        f"granted for {dataset}"
    )


def _about_job(reply: requests.Response, text: str) -> Exception:
    """Translate the refusal of a call about a job."""
    code = reply.status_code
    if web_page(reply.text) is not None:  # something between here and the service has answered
        return Unreachable(f"status {code}: {text}"[:300])
    about = f"{text} {_kind(reply)}".lower().replace("-", " ")
    if "not ready" in about:  # the job is there: one copy of the service knows less than another
        return Unreachable(f"status {code}: {text}"[:300])
    if code == 403:
        # As after a change of account: the jobs of the last one stay its own.
        return JobGone(f"the job is not shown to this account: {text}")
    if code == 404 and "expired" in about:
        return ResultsExpired(text)
    if code == 404 and "job" in about:
        return JobGone(text)
    if code == 400 and "job" in about:
        return JobFailed(text)
    return DataError(
        f"the Climate Data Store refuses the call: status {code}: {text}; expected it to be granted"
    )


def _words(reply: requests.Response) -> str:
    """Give the service's own explanation (title, message, detail), or say what came instead."""
    body = _body(reply)
    words = [str(body[name]) for name in ("title", "traceback", "detail") if body.get(name)]
    if not words and (page := web_page(reply.text)) is not None:
        return f"{page}, not the service's answer"
    return ": ".join(words) or reply.reason or "no explanation"


def _kind(reply: requests.Response) -> str:
    return str(_body(reply).get("type", ""))


def _body(reply: requests.Response) -> dict[str, object]:
    """Give a reply's JSON object; empty where there is none."""
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(reply: requests.Response) -> float | None:
    """Read `Retry-After` in seconds; a date there is not used by this service."""
    try:
        return max(0.0, float(reply.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
