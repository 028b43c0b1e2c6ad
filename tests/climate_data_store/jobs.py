"""The service's queue: jobs wait for a slot, run, end, and can be deleted."""

import json
import math
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.climate_data_store.faults import Fault

__all__ = ["Archive", "Job", "Queue"]


@dataclass(frozen=True)
class Archive:
    """What the archive held when a job was made.

    Attributes:
        newest_hour: later hours do not exist yet; None for no limit.
        final_until: later hours are preliminary; None for none.
    """

    newest_hour: np.datetime64 | None = None
    final_until: np.datetime64 | None = None


@dataclass
class Job:
    """One submitted request.

    Attributes:
        dataset: the collection.
        request: inputs as posted.
        archive: as it was when the job, or the equal one whose result is reused, was made.
        created: Unix time [s]; so are `started`, `ends_at` and `finished`.
        status: as the service reports it.
        seconds: how long it runs.
        outcome: status at the end.
        message: why it failed.
        is_cached: True if an earlier equal request's result is given.
        is_cacheable: False if later equal requests must not be given its result.
        is_expired: True if its results are gone.
        is_struck: True if a fault has decided how it ends.
        content_fault: what is wrong with the object now; None for nothing.
        content_was_sent: True after a transfer of the object has begun.
    """

    dataset: str
    request: Mapping[str, Any]
    archive: Archive
    created: float
    seconds: float
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "accepted"
    outcome: str = "successful"
    message: str = ""
    is_cached: bool = False
    is_cacheable: bool = True
    is_expired: bool = False
    started: float | None = None
    finished: float | None = None
    is_struck: bool = False
    content_fault: Fault | None = None
    content_was_sent: bool = False

    @property
    def cache_key(self) -> str:
        """What equal requests have in common, in whatever order they name values."""
        inputs = {
            key: value if key == "area" or not isinstance(value, list) else sorted(value, key=str)
            for key, value in self.request.items()
        }
        return json.dumps([self.dataset, inputs], sort_keys=True, default=str)

    @property
    def ends_at(self) -> float:
        """When it ends if nothing stops it."""
        never = self.started is None or self.outcome == "running"
        return math.inf if never else self.started + self.seconds

    @property
    def is_open(self) -> bool:
        """Tell whether it waits or runs."""
        return self.status in ("accepted", "running")


class Queue:
    """All jobs of a user, by id in the order of their making; thread-safe.

    Args:
        slots: how many jobs run at once; None for no limit.

    Attributes:
        results: by `cache_key` of jobs that succeeded, the archive that their result is of.
    """

    def __init__(self, slots: int | None = None) -> None:
        self.slots = slots
        self.jobs: dict[str, Job] = {}
        self.results: dict[str, Archive] = {}
        self.lock = threading.RLock()

    def add(self, job: Job) -> None:
        """Take a job; it starts as soon as a slot is free."""
        with self.lock:
            self.advance()
            self.jobs[job.job_id] = job
            self._start(job.created)

    def remove(self, job_id: str) -> None:
        """Forget a job; its slot is free."""
        with self.lock:
            self.advance()
            del self.jobs[job_id]
            self._start(time.time())

    def advance(self) -> None:
        """Let the time since the last call pass: slots are passed on when they become free."""
        with self.lock:
            now = time.time()
            while ended := [j for j in self._running() if j.ends_at <= now]:
                job = min(ended, key=lambda j: j.ends_at)
                self._finish(job, job.ends_at)
                self._start(job.ends_at)

    def _running(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.status == "running"]

    def _start(self, now: float) -> None:
        """Start waiting jobs, the oldest first, while there are free slots."""
        free = math.inf if self.slots is None else self.slots - len(self._running())
        for job in [j for j in self.jobs.values() if j.status == "accepted"]:
            if job.outcome == "accepted":
                continue  # waits for ever
            if job.is_cached:
                self._finish(job, job.created)
            elif free >= 1:
                job.status = "running"
                job.started = max(now, job.created)
                free -= 1

    def _finish(self, job: Job, at: float) -> None:
        job.finished = at
        job.status = job.outcome
        if job.status == "successful" and job.is_cacheable:
            self.results.setdefault(job.cache_key, job.archive)
