"""What the store knows: settings, jobs, faults, and the files that jobs give."""

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.climate_data_store.content import available_hours, encode
from tests.climate_data_store.error_replies import ErrorReply
from tests.climate_data_store.faults import (
    CONTENT_KINDS,
    JOB_KINDS,
    LASTING_FILE_KINDS,
    Fault,
)
from tests.climate_data_store.jobs import Archive, Job, Queue
from tests.climate_data_store.saved_queue import load_queue, save_queue
from tests.climate_data_store.selection import months_of, select

__all__ = ["StoreState"]


@dataclass
class StoreState:
    """See `server.ClimateDataStore`; all methods are thread-safe."""

    key: str
    faults: list[Fault]
    job_seconds: float
    slots: int | None
    cost_limit: float
    cost_weight: Mapping[str, float]
    licence_accepted: bool
    archive: Archive
    expver_form: str
    resolution: float
    state_folder: Path | None
    submissions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.queue = Queue(self.slots)
        self._files: dict[str, bytes] = {}
        self._encoding = threading.Lock()
        if self.state_folder is not None:
            load_queue(self.queue, self.submissions, self.state_folder / "jobs.json")

    def save(self) -> None:
        """Write the jobs down, where a folder is given."""
        if self.state_folder is not None:
            save_queue(self.queue, self.submissions, self.state_folder / "jobs.json")

    def set_archive(self, **changes: np.datetime64 | None) -> None:
        """Change what the archive holds for jobs to come."""
        self.archive = replace(self.archive, **changes)

    def submit(self, dataset: str, request: dict[str, Any]) -> Job:
        """Make a job of a request that was found good."""
        selection = select(dataset, request, resolution=self.resolution)
        hours = available_hours(selection, self.archive)
        job = Job(
            dataset=dataset,
            request=request,
            archive=self.archive,
            created=time.time(),
            seconds=self.job_seconds,
            is_cacheable=len(hours) == len(selection.hours),
        )
        with self.queue.lock:
            self.queue.advance()
            if job.cache_key in self.queue.results:
                job.archive = self.queue.results[job.cache_key]
                job.is_cached = True
            if not len(hours):
                job.outcome = "failed"
                job.message = "MARS has returned no data, please check your selection."
            self.strike_job(job)
            self.submissions.append((dataset, request))
            self.queue.add(job)
        self.save()
        return job

    def find_job(self, job_id: str) -> Job:
        """Give a job as it is now.

        Raises:
            ErrorReply: 404, if there is none.
        """
        self.queue.advance()
        job = self.queue.jobs.get(job_id)
        if job is not None:
            self.strike_job(job)
        if job is not None and job.outcome == "deleted":
            self.queue.remove(job_id)
        if job is None or job.outcome == "deleted":
            raise ErrorReply(404, "job not found", f"job {job_id} not found")
        return job

    def delete(self, job_id: str) -> Job:
        """Delete a job.

        Raises:
            ErrorReply: 404, if there is none.
        """
        job = self.find_job(job_id)
        self.queue.remove(job_id)
        self.save()
        return job

    def expire(self, job_id: str) -> None:
        """Remove a job's file, also for later equal requests."""
        job = self.find_job(job_id)
        job.is_expired = True
        self.queue.results.pop(job.cache_key, None)
        self.save()

    def strike_job(self, job: Job) -> None:
        """Let faults of jobs judge this one, each once, until one has struck."""
        if job.is_struck:
            return
        months = months_of(job.request)
        for fault in list(self.faults):
            is_about = fault.kind in JOB_KINDS and fault.matches("job", job.dataset, months)
            if not is_about or not fault.take(once_for=job.job_id):
                continue
            usual = {"never": "accepted"}.get(fault.kind, fault.kind)
            job.outcome = fault.details.get("status", usual)
            job.message = fault.details.get("message", "The request failed inside MARS.")
            if job.outcome == "dismissed" or not job.is_open:
                job.status = job.outcome  # at once, or it had ended before the fault was added
            job.is_struck = True
            return

    def take_faults(
        self, where: str, dataset: str | None, request: Mapping[str, Any]
    ) -> list[Fault]:
        """Take the faults that strike a call: those that last, and one that does not.

        Faults of jobs and of a file's content are not taken here.
        """
        months = months_of(request)
        taken: list[Fault] = []
        has_passing = False
        for fault in list(self.faults):
            if fault.kind in JOB_KINDS or fault.kind in CONTENT_KINDS:
                continue
            if not fault.matches(where, dataset, months):
                continue
            lasts = fault.kind in LASTING_FILE_KINDS
            if (lasts or not has_passing) and fault.take():
                taken.append(fault)
                has_passing = has_passing or not lasts
        return taken

    def has_fault(self, where: str, kind: str, job: Job) -> bool:
        """Tell whether a fault will strike the next call about a job."""
        months = months_of(job.request)
        return any(
            fault.kind == kind and fault.is_due and fault.matches(where, job.dataset, months)
            for fault in list(self.faults)
        )

    def prepare_file(self, job: Job) -> None:
        """Decide which object a job gives, once for every transfer of it."""
        with self.queue.lock:
            if job.content_fault is not None and not job.content_was_sent:
                return
            job.content_fault, job.content_was_sent = None, False
            months = months_of(job.request)
            for fault in list(self.faults):
                is_content = fault.where == "file" and fault.kind in CONTENT_KINDS
                if is_content and fault.matches("file", job.dataset, months) and fault.take():
                    job.content_fault = fault
                    return

    def file_of(self, job: Job) -> bytes:
        """Give the object as it is now."""
        fault = job.content_fault
        content = self._encoded(job, fault, job.archive)
        kind = None if fault is None else fault.kind
        if fault is not None and kind == "truncated":
            content = content[: len(content) - fault.details.get("missing", len(content) // 4 + 3)]
        elif kind == "trailing":
            content += b"\0" * 100
        return content

    def other_file_of(self, job: Job) -> bytes:
        """Give another object of the same size: in GRIB, whole and of other values."""
        content = self.file_of(job)
        release = Archive(job.archive.newest_hour, np.datetime64("1900-01-01T00", "h"))
        other = self._encoded(job, job.content_fault, release).replace(b"0005", b"0001")
        if len(other) == len(content) and content[:4] == b"GRIB" and other != content:
            return other
        middle = len(content) // 2
        return content[:middle] + bytes(x ^ 0x55 for x in content[middle:])

    def _encoded(self, job: Job, fault: Fault | None, archive: Archive) -> bytes:
        """Encode a job's fields, once for all jobs of the same content."""
        inputs = [job.cache_key, archive, fault and (fault.kind, dict(fault.details))]
        name = hashlib.sha256(repr(inputs).encode()).hexdigest()
        with self._encoding:
            if name not in self._files:
                selection = select(job.dataset, job.request, resolution=self.resolution)
                self._files[name] = encode(
                    selection, archive, expver_form=self.expver_form, fault=fault
                )
            return self._files[name]
