"""Bring one request from plan to verified file, from wherever an earlier run left it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipelines.errors import DataError
from pipelines.sources.cds.deadline import Deadline, GaveUp, sleep
from pipelines.sources.cds.manifest import Manifest, Part, now
from pipelines.sources.cds.part_file import checked_file, put_in_place
from pipelines.sources.cds.patience import Patience
from pipelines.sources.cds.plan import halved
from pipelines.sources.cds.request import same_request
from pipelines.sources.cds.service import Service
from pipelines.sources.cds.service_errors import (
    Damaged,
    JobFailed,
    JobGone,
    NotReleased,
    ObjectRefused,
    Refused,
    ResultsExpired,
    TooLarge,
    Unreachable,
)

__all__ = ["PartWorker"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_SECOND_LOOK = 5  # of the first pause, until a job that is not known is looked for again


class PartWorker:
    """Does the steps of one part after another; one for each part that is in flight.

    Args:
        service: the account.
        manifest: the month's; every step is written there before the next.
        patience: deadlines and pauses.
        stop: set from outside to end all waiting.
        known_jobs: tells whether a job belongs to another part.
    """

    def __init__(
        self,
        service: Service,
        manifest: Manifest,
        *,
        patience: Patience,
        stop: threading.Event,
        known_jobs: Callable[[], set[str]],
    ) -> None:
        self._service = service
        self._manifest = manifest
        self._patience = patience
        self._stop = stop
        self._known_jobs = known_jobs
        self._has_submitted = False  # so that a job of this run may still appear

    def run(self, key: str) -> list[str]:
        """Bring a part to its file.

        Returns:
            Keys of the parts that took its place because it was too large; none when the file
            is there.

        Raises:
            DataError: if it cannot be had, with the reason.
            Stopped: if the acquisition was told to stop.
        """
        part = self._manifest.part(key)
        if part.failure is not None:
            part = self._manifest.put(replace(part, failure=None, submissions=0))
        while part.state != "received":
            try:
                part = self._next(part)
            except TooLarge:
                pieces = list(halved(part.request))
                self._manifest.split(key, pieces)
                return [piece.key for piece in pieces]
            except (JobFailed, JobGone, ResultsExpired) as error:
                if isinstance(error, JobFailed) and error.is_not_released:
                    self._give_up_until_released(part, str(error))
                part = self._again(part, str(error), past_cache=False)
        return []

    def _next(self, part: Part) -> Part:
        """Take the next step."""
        if part.state in ("planned", "intended"):
            return self._submitted(part)
        if part.state == "submitted":
            self._wait_for_job(part)
            return self._manifest.put(self._manifest.part(part.request.key).at("downloading"))
        if part.state == "downloading":
            return self._downloaded(part)
        return self._received(part)

    # Submission

    def _submitted(self, part: Part) -> Part:
        """Submit, unless an earlier attempt reached the server: then take up its job."""
        deadline = Deadline(self._patience, self._stop)
        note = partial(self._troubled, part.request.key)
        while True:
            if part.state == "intended":
                job = deadline.repeat(partial(self._find_job, part), note)
                if job is not None:
                    _log.info("%s: found its job %s on the server", part.request.month, job)
                    return self._manifest.put(part.at("submitted", job=job, trouble=None))
            part = self._manifest.put(
                part.at("intended", submissions=part.submissions + (part.state == "planned"))
            )
            self._has_submitted = True
            try:
                job = self._service.submit(part.request.dataset, part.body)
                return self._manifest.put(part.at("submitted", job=job, trouble=None))
            except Unreachable as error:
                if not error.may_have_happened:
                    part = replace(part, state="planned", submissions=part.submissions - 1)
                self._manifest.put(part)
                part = note(str(error))
                deadline.pause(error)
            except (DataError, TooLarge):
                # Refused for good: there is no job that the next run would have to look for.
                self._manifest.put(replace(part, state="planned", submissions=part.submissions - 1))
                raise

    def _find_job(self, part: Part) -> str | None:
        """Look for a job that an unanswered submission made, until none can appear any more."""
        intended = part.moment("intended")
        assert intended is not None
        settle, began = self._patience.settle, time.monotonic()
        # The moment written down is of an earlier run only where this one has not submitted;
        # across runs there is but the wall clock, which may have been set in between.
        age = (now() - intended).total_seconds()
        is_old = not self._has_submitted and age > settle
        while True:
            # The last look must begin after the time in which a job can still appear.
            is_last = is_old or time.monotonic() - began > settle
            for job in self._service.jobs_since(intended):
                if job not in self._known_jobs() and self._is_of(job, part):
                    return job
            if is_last:
                return None
            sleep(min(self._patience.first_pause, self._patience.settle / 4), self._stop)

    def _is_of(self, job: str, part: Part) -> bool:
        try:
            return same_request(self._service.request_of(job), part.body)
        except JobGone:
            return False

    # Waiting

    def _wait_for_job(self, part: Part) -> None:
        """Look at the job until it is successful."""
        assert part.job is not None
        job, waiting_since = part.job, time.monotonic()
        for pause in self._patience.looks():
            status = self._seen(part, lambda: self._service.status(job))
            current = self._manifest.part(part.request.key)
            if status != current.status:
                moments = {**current.moments, status: now().isoformat(timespec="milliseconds")}
                self._manifest.put(replace(current, status=status, moments=moments))
            if status == "successful":
                return
            if time.monotonic() - waiting_since > self._patience.job:
                raise DataError(
                    f"job {job} for {part.request} is still {status!r} after "
                    f"{self._patience.job:g} s of waiting; expected it to finish. It stays on the "
                    "server: run again to go on waiting for it, or set source.patience.job"
                )
            sleep(pause, self._stop)

    # The file

    def _downloaded(self, part: Part) -> Part:
        """Download to a temporary name and check all of it."""
        assert part.job is not None
        job, temporary = part.job, self.temporary(part)
        trouble, refused = "", 0
        for attempt in range(self._patience.downloads):
            if attempt:
                sleep(self._patience.first_pause, self._stop)
            try:
                self._seen(part, lambda: self._service.download(job, temporary))
                return self._verified(part, temporary)
            except (GaveUp, Refused):
                raise  # neither the file nor its job is to blame
            except NotReleased:
                # Another look at the same answer would not bring them.
                self._manifest.put(part.anew(nocache=_token(), trouble=None))
                raise
            except (Damaged, DataError) as error:
                refused += isinstance(error, ObjectRefused)
                trouble = " ".join(str(error).replace(str(temporary), "the file").split())
                part = self._troubled(part.request.key, f"the file is not good: {trouble}")
            finally:
                if self._manifest.part(part.request.key).state != "verified":
                    temporary.unlink(missing_ok=True)
        if refused == self._patience.downloads:
            # A new job would bring a file that is refused just so.
            raise DataError(
                f"{trouble}; expected to be let in. Is the address barred by a proxy or firewall "
                "here? The job stays on the server: run again to download its file"
            )
        return self._again(part, trouble, past_cache=True)

    def _verified(self, part: Part, temporary: Path) -> Part:
        """Check the content and write down the file's hash."""
        file_entry = checked_file(temporary, part.request)
        return self._manifest.put(part.at("verified", file=file_entry, trouble=None))

    def _received(self, part: Part) -> Part:
        """Give a verified file its name; do again what an interrupted run may have done."""
        assert part.file is not None
        final = self._manifest.folder / part.file["name"]
        if not put_in_place(self.temporary(part), final, part.file["sha256"]):
            return self._manifest.put(part.at("downloading"))
        return self._manifest.put(part.at("received", submissions=0))

    def temporary(self, part: Part) -> Path:
        """Name of a part's file until it is verified."""
        return self._manifest.folder / f".{part.request.key}.part"

    # Trouble

    def _again(self, part: Part, trouble: str, *, past_cache: bool) -> Part:
        """Ask anew after a job that brought nothing, a bounded number of times."""
        part = self._manifest.part(part.request.key)
        nocache = _token() if past_cache else part.nocache
        fresh = part.anew(nocache=nocache, trouble=trouble)
        if part.submissions >= self._patience.submissions:
            self._manifest.put(fresh)
            raise DataError(
                f"the Climate Data Store did not bring {part.request} in {part.submissions} "
                f"attempts; the last one: {trouble}"
            )
        _log.warning("%s: asking again: %s", part.request.month, trouble)
        return self._manifest.put(fresh)

    def _give_up_until_released(self, part: Part, reason: str) -> None:
        """Let the next run ask anew for what the service does not have."""
        part = self._manifest.part(part.request.key)
        self._manifest.put(part.anew(nocache=part.nocache, trouble=None))
        raise NotReleased(
            f"the Climate Data Store did not bring {part.request}: {reason.rstrip('.')}. ERA5 "
            "appears about 5 days after its time; run again later, or end the period earlier"
        )

    def _seen(self, part: Part, call: Callable[[], _T]) -> _T:
        """Ask about a job; one reply that does not know it is not believed.

        Copies of the service's database may be seconds behind each other.
        """
        try:
            return self._answer(part, call)
        except JobGone as error:
            self._troubled(part.request.key, f"{error}; looking a second time")
            pause = min(_SECOND_LOOK * self._patience.first_pause, self._patience.longest_pause)
            sleep(pause, self._stop)
            return self._answer(part, call)

    def _answer(self, part: Part, call: Callable[[], _T]) -> _T:
        """Repeat a call until it is answered; write down what hinders it."""
        deadline = Deadline(self._patience, self._stop)
        return deadline.repeat(call, partial(self._troubled, part.request.key))

    def _troubled(self, key: str, trouble: str) -> Part:
        """Write passing trouble down, and log it where it is news."""
        part = self._manifest.part(key)
        if trouble == part.trouble:
            return part
        _log.warning("%s: %s", part.request.month, trouble)
        return self._manifest.put(replace(part, trouble=trouble))


def _token() -> str:
    """Give a text that no earlier request had."""
    return str(time.time_ns())
