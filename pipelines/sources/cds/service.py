"""The Climate Data Store through the unmodified `cdsapi`, with its failures told apart.

Every call is one try: the client's own repetitions (500 of them, 120 s apart, blind to
`Retry-After`) are switched off. The one exception is a download, which the client resumes.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import cdsapi
import requests
from ecmwf.datastores import Remote, Results
from ecmwf.datastores.processing import DownloadError, LinkError, ProcessingFailedError

from pipelines.errors import DataError
from pipelines.sources.cds.credentials import Credentials
from pipelines.sources.cds.patience import Patience
from pipelines.sources.cds.request import CdsRequest

__all__ = [
    "Damaged",
    "JobFailed",
    "JobGone",
    "Refused",
    "ResultsExpired",
    "Service",
    "TooLarge",
    "Unreachable",
]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_RESUMES = 5  # of one download, by the client
_PAGE = 100  # jobs in one listing
_OPEN = ("accepted", "running", "successful")


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
    """A job that the service does not know (any more)."""


class ResultsExpired(Exception):
    """A job whose result the service has thrown away."""


class TooLarge(Exception):
    """A request that costs more than the service allows."""


class Service:
    """One account on the service; calls may come from several threads.

    Raises:
        Refused: from every call that the service refuses this account for good (key, licence,
            unknown data set), saying what to do.
        DataError: from a call that it refuses.
        Unreachable: from every call that may succeed when it is repeated.
    """

    def __init__(self, credentials: Credentials, patience: Patience) -> None:
        self._credentials = credentials
        self._client = self._connect(patience, tries=1)
        self._downloader = self._connect(patience, tries=_RESUMES)
        self._remotes: dict[str, Remote] = {}

    def _connect(self, patience: Patience, *, tries: int) -> Any:
        options: dict[str, Any] = {
            name: self._quiet
            for name in ("info_callback", "warning_callback", "error_callback", "debug_callback")
        }
        with warnings.catch_warnings():
            # The service's news could not be read, which stops nobody.
            warnings.simplefilter("ignore", UserWarning)
            client = cdsapi.Client(
                url=self._credentials.url,
                key=self._credentials.key,
                verify=self._credentials.verify,
                quiet=True,
                progress=False,
                timeout=patience.reply,
                retry_max=tries,
                sleep_max=patience.first_pause,
                wait_until_complete=False,
                **options,
            )
        return client.client

    def _quiet(self, message: object, *_: object) -> None:
        """Keep the client's talk for those who debug; at its start it tells the key."""
        _log.debug("%s", self._credentials.redacted(str(message)))

    def costs(self, request: CdsRequest) -> Mapping[str, float]:
        """Ask what a request costs: `cost` and `limit`."""
        reply = self._call(
            lambda: self._client.estimate_costs(request.dataset, request.body()), request.dataset
        )
        if not isinstance(reply.get("cost"), int | float) or "limit" not in reply:
            raise Unreachable("the service's estimate of costs has no cost and limit")
        return {"cost": float(reply["cost"]), "limit": float(reply["limit"])}

    def submit(self, dataset: str, body: Mapping[str, Any]) -> str:
        """Submit a request; give its job's id.

        Raises:
            TooLarge: if it costs too much.
        """
        remote = self._call(lambda: self._client.submit(dataset, dict(body)), dataset)
        return str(remote.request_id)

    def jobs_since(self, moment: datetime) -> Iterator[str]:
        """Give the ids of jobs that may still bring a result, newest first.

        A job whose age is not told counts as new; a day of difference between this machine's
        clock and the server's is allowed for.
        """
        page = self._call(
            lambda: self._client.get_jobs(limit=_PAGE, sortby="-created", status=list(_OPEN)), ""
        )
        while page is not None:
            for job in page.json["jobs"]:
                age = _seconds_before(job.get("created"), moment)
                if age is None or age < 24 * 3600:
                    yield str(job["jobID"])
            current = page
            page = self._call(lambda: current.next, "")  # noqa: B023  # called at once

    def request_of(self, job: str) -> dict[str, Any]:
        """Give the request that a job was made from.

        Raises:
            JobGone: if the service does not know the job.
        """
        return self._call(lambda: self._client.get_remote(job).request, "")

    def status(self, job: str) -> str:
        """Look at a job once: `accepted`, `running` or `successful`.

        Raises:
            JobFailed: if it failed or was rejected.
            JobGone: if it was deleted.
        """
        if job not in self._remotes:
            self._remotes[job] = self._call(lambda: self._client.get_remote(job), "")
        remote = self._remotes[job]
        status = self._call(lambda: remote.status, "")
        if status in ("dismissed", "deleted"):
            raise JobGone(f"job {job} was deleted on the server")
        if status in ("failed", "rejected"):
            raise JobFailed(self._reason(remote, status))
        if status not in _OPEN:
            raise Unreachable(f"job {job} has the unknown status {status!r}")
        return str(status)

    def _reason(self, remote: Remote, status: str) -> str:
        """Fetch the service's own words about a failed job."""
        try:
            remote.get_results()
        except (requests.HTTPError, ProcessingFailedError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            words = [line for line in lines if not line.startswith("400 Client Error")]
            return self._credentials.redacted("; ".join(words)) or status
        except requests.RequestException:
            pass
        return f"the service says only that it was {status}"

    def download(self, job: str, target: Path) -> None:
        """Fetch a job's result; resumed where the server can.

        Raises:
            ResultsExpired: if the service has thrown it away.
            JobGone: if the job is not known.
            Damaged: if another number of bytes came than was announced, or bytes of another
                file.
        """
        remote: Remote = self._call(lambda: self._downloader.get_remote(job), "")
        results: Results = self._call(remote.get_results, "")
        before = self._version(results)
        try:
            self._call(lambda: results.download(str(target)), "")
        except (DownloadError, AssertionError) as error:  # the client's words for a wrong size
            raise Damaged(self._told(error)) from error
        if before != self._version(results):
            # The client glues the rest of the new object to the start of the old one.
            raise Damaged("the file changed on the server while it was read")

    def _version(self, results: Results) -> tuple[str | None, ...]:
        """Give what tells one state of the remote file from another."""
        reply = self._call(
            lambda: requests.head(
                results.location, timeout=self._downloader.timeout, allow_redirects=True,
                verify=self._credentials.verify,
            ),
            "",
        )  # fmt: skip
        names = ("ETag", "Last-Modified", "Content-Length")
        return tuple(reply.headers.get(name) for name in names) if reply.ok else ()

    def _call(self, call: Callable[[], _T], dataset: str) -> _T:
        """Carry out one call; translate what can go wrong."""
        try:
            return call()
        except requests.HTTPError as error:
            raise self._translated(error, dataset) from error
        except ProcessingFailedError as error:
            raise JobFailed(self._credentials.redacted(str(error))) from error
        except (requests.RequestException, LinkError) as error:
            raise Unreachable(self._told(error)) from error
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"a reply that is not the service's: {self._told(error)}") from error

    def _told(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        return self._credentials.redacted(text[:300])

    def _translated(self, error: requests.HTTPError, dataset: str) -> Exception:
        """Tell a lasting refusal from a passing one."""
        reply = error.response
        code = reply.status_code
        text = self._credentials.redacted(" ".join(_words(reply).split()))
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
            page = self._credentials.url.removesuffix("/api")
            return Refused(
                f"the Climate Data Store wants its licence for {dataset} accepted first: visit "
                f"{page}/datasets/{dataset}?tab=download#manage-licences, accept, and run again"
            )
        if code == 403 and ("cost" in text.lower() or "too large" in text.lower()):
            return TooLarge(text)
        if code == 404 and "expired" in text.lower():
            return ResultsExpired(text)
        if code == 404 and "job" in text.lower():
            return JobGone(text)
        if code == 404 and dataset:
            return Refused(
                f"the Climate Data Store at {self._credentials.url} knows no data set {dataset} "
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


def _seconds_before(created: object, moment: datetime) -> float | None:
    """Tell how long before a moment something was made, or None where it is not known."""
    try:
        made = datetime.fromisoformat(str(created).replace("Z", "+00:00"))
    except ValueError:
        return None
    if made.tzinfo is None:
        made = made.replace(tzinfo=moment.tzinfo)
    return (moment - made).total_seconds()
