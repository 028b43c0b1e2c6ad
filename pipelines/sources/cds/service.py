"""The Climate Data Store through the unmodified `cdsapi`, with its failures told apart.

Every call is one try: the client's own repetitions (500 of them, 120 s apart, blind to
`Retry-After`) are switched off. The one exception is a download, which the client resumes.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cdsapi
import requests
from ecmwf.datastores import Remote, Results
from ecmwf.datastores.processing import DownloadError, LinkError, ProcessingFailedError
from urllib3.exceptions import NewConnectionError

from pipelines.errors import DataError
from pipelines.formats.web_page import web_page
from pipelines.sources.cds.credentials import Credentials
from pipelines.sources.cds.guarded_session import GuardedSession
from pipelines.sources.cds.patience import Patience
from pipelines.sources.cds.request import CdsRequest
from pipelines.sources.cds.service_errors import (
    Damaged,
    JobFailed,
    JobGone,
    Unreachable,
    translated,
)
from pipelines.sources.cds.transfer_session import TransferSession

__all__ = ["Service"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_RESUMES = 5  # of one download, by the client
_PAGE = 100  # jobs in one listing
_OPEN = ("accepted", "running", "successful")
_CLOCKS_APART = 24 * 3600.0  # [s]


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
        self._requests: dict[str, dict[str, Any]] = {}

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
                session=GuardedSession(),
                **options,
            )
        return client.client

    def _quiet(self, message: object, *_: object) -> None:
        """Keep the client's talk for those who debug; at its start it tells the key."""
        _log.debug("%s", self._credentials.redacted(str(message)))

    def costs(self, request: CdsRequest) -> Mapping[str, float]:
        """Ask what a request costs: `cost` and `limit`."""

        def ask() -> dict[str, float]:
            reply = self._client.estimate_costs(request.dataset, request.body())
            return {name: float(reply[name]) for name in ("cost", "limit")}

        return self._call(ask, request.dataset)

    def submit(self, dataset: str, body: Mapping[str, Any]) -> str:
        """Submit a request; give its job's id.

        Raises:
            TooLarge: if it costs too much.
        """
        try:
            process = self._call(lambda: self._client.get_process(dataset), dataset)
        except Unreachable as error:
            error.may_have_happened = False  # nothing is submitted yet
            raise
        remote = self._call(lambda: process.submit(dict(body)), dataset)
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
            jobs = self._call(partial(_listed, page), "")
            for job, created in jobs:
                age = _seconds_before(created, moment)
                if age is not None and age > _CLOCKS_APART:
                    return  # and all that follow are older
                yield job
            page = self._call(partial(getattr, page, "next"), "")

    def request_of(self, job: str) -> dict[str, Any]:
        """Give the request that a job was made from.

        Raises:
            JobGone: if the service does not know the job.
        """
        if job not in self._requests:  # it never changes
            request = self._call(lambda: self._client.get_remote(job).request, "")
            self._requests[job] = request
        return self._requests[job]

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
            Damaged: if another number of bytes came than was announced, bytes of another file,
                or none because the store of files has no such file.
            ObjectRefused: if the store of files does not allow it.
        """
        if self.status(job) != "successful":  # the client would wait for it without end
            raise Unreachable(f"job {job}, which had been successful, runs again")
        remote: Remote = self._call(lambda: self._downloader.get_remote(job), "")
        results: Results = self._call(remote.get_results, "")
        with TransferSession() as session:
            results.download_options = {**results.download_options, "session": session}
            self._call(lambda: self._transfer(results, target, session), "")
            if session.has_changed:
                # The client glues the rest of the new object to the start of the old one.
                raise Damaged("the file changed on the server while it was read")

    def _transfer(self, results: Results, target: Path, session: TransferSession) -> None:
        try:
            results.download(str(target))
        except (DownloadError, AssertionError) as error:  # the client's words for a wrong size
            raise session.refusal() or _page(target) or Damaged(self._told(error)) from error

    def _call(self, call: Callable[[], _T], dataset: str) -> _T:
        """Carry out one call; translate what can go wrong."""
        try:
            return call()
        except requests.HTTPError as error:
            raise translated(error, dataset, self._credentials) from error
        except ProcessingFailedError as error:
            raise JobFailed(self._credentials.redacted(str(error))) from error
        except requests.JSONDecodeError as error:
            raise Unreachable(f"{_not_json(error.doc)} came, not the service's answer") from error
        except (requests.RequestException, LinkError, ConnectionError, TimeoutError) as error:
            raise Unreachable(
                self._told(error), may_have_happened=not _never_left(error)
            ) from error
        except DataError:
            raise
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise Unreachable(f"a reply that is not the service's: {self._told(error)}") from error

    def _told(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        return self._credentials.redacted(text)[:300]


def _listed(page: Any) -> list[tuple[str, object]]:
    """Give id and moment of creation of the jobs on a page."""
    return [(str(job["jobID"]), job.get("created")) for job in page.json["jobs"]]


def _seconds_before(created: object, moment: datetime) -> float | None:
    """Tell how long before a moment something was made, or None where it is not known."""
    try:
        made = datetime.fromisoformat(str(created).replace("Z", "+00:00"))
    except ValueError:
        return None
    if made.tzinfo is None:
        made = made.replace(tzinfo=moment.tzinfo)
    return (moment - made).total_seconds()


def _page(path: Path) -> Unreachable | None:
    """Tell that something between here and the store of files has answered in its place."""
    with path.open("rb") as file:
        page = web_page(file.read(2000))
    return None if page is None else Unreachable(f"{page} came, not the file")


def _not_json(text: str) -> str:
    return web_page(text) or "a text that is not JSON"


def _never_left(error: Exception) -> bool:
    """Tell whether a call failed before there was a connection to send it over."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)
