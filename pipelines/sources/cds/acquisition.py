"""Many months at once: a bounded number of requests in flight, in order of time."""

import heapq
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import filelock

from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources.cds.acquire_part import PartWorker
from pipelines.sources.cds.deadline import Stopped
from pipelines.sources.cds.disk_trouble import DiskTrouble, using_disk
from pipelines.sources.cds.manifest import Manifest
from pipelines.sources.cds.patience import Patience
from pipelines.sources.cds.plan import within_limit
from pipelines.sources.cds.request import CdsRequest
from pipelines.sources.cds.service import Service
from pipelines.sources.cds.service_errors import NotReleased, Refused, Unreachable

__all__ = ["Acquisition"]

_log = logging.getLogger(__name__)

_LAST_WORDS = 10.0  # [s] for all threads to end when they are told to


class Acquisition:
    """Brings months from the service in the background; `wait` gives each when it is there.

    A month that cannot be had does not stop the others. What concerns all of them (the key, a
    licence) does.

    Args:
        connect: logs in; called in the background, once.
        months: what is known of each month, in the order in which they are wanted.
        lock: of the months' folder, taken before they were read; released by the last thread.
        patience: deadlines and pauses.
        max_in_flight: requests on the server, or being downloaded, at once.
    """

    def __init__(
        self,
        connect: Callable[[], Service],
        months: Sequence[tuple[Month, Manifest]],
        *,
        lock: filelock.BaseFileLock,
        patience: Patience,
        max_in_flight: int,
    ) -> None:
        self._connect = connect
        self._manifests = {str(month): manifest for month, manifest in months}
        self._patience = patience
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, str, str]] = []  # heap of (order, month, part)
        self._open: dict[str, int] = {}  # month -> parts not received
        self._failures: dict[str, BaseException] = {}
        self._costs: dict[tuple[object, ...], Mapping[str, float]] = {}
        for order, (month, manifest) in enumerate(months):
            keys = [p.request.key for p in manifest.parts if p.state != "received"]
            self._open[str(month)] = len(keys)
            for key in keys:
                heapq.heappush(self._waiting, (order, str(month), key))
        self._lock = lock
        self._service: Service | None = None
        self._service_lock = threading.Lock()
        self._under_way = 0  # parts that are taken and not brought
        self._busy = max_in_flight  # threads that have not ended
        for number in range(max_in_flight):
            threading.Thread(target=self._work, name=f"cds-{number}", daemon=True).start()

    def wait(self, month: Month) -> None:
        """Return when a month is complete and verified.

        Raises:
            DataError: if it cannot be had, with the reason.
        """
        name = str(month)
        with self._changed:
            while self._open[name] and name not in self._failures:
                # A bounded wait, so that Ctrl-C is heard.
                self._changed.wait(timeout=1.0)
            if name in self._failures:
                raise self._failures[name]

    def finish(self) -> None:
        """Wait until every month is there or has failed."""
        with self._changed:
            while self._busy:
                self._changed.wait(timeout=1.0)

    def close(self) -> None:
        """Stop what is under way; jobs stay on the server for the next run."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
            # Who is in the middle of a download ends with it, or with the program.
            self._changed.wait_for(lambda: not self._busy, timeout=_LAST_WORDS)

    def _work(self) -> None:
        """Take the earliest part that is waiting until none is left."""
        try:
            while (taken := self._take()) is not None:
                self._bring(*taken)
                with self._changed:
                    self._under_way -= 1
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._busy -= 1
                if not self._busy:
                    self._lock.release()
                self._changed.notify_all()

    def _take(self) -> tuple[int, str, str] | None:
        """Take a part; while others are under way, they may still be cut into more."""
        with self._changed:
            while not self._stop.is_set():
                while self._waiting:
                    taken = heapq.heappop(self._waiting)
                    if taken[1] not in self._failures:
                        self._under_way += 1
                        return taken
                if not self._under_way:
                    return None
                self._changed.wait()
        return None

    def _bring(self, order: int, month: str, key: str) -> None:
        """Bring one part; whatever comes of it, nobody is left waiting."""
        try:
            with using_disk(self._manifests[month].folder):
                self._try(order, month, key)
        except Stopped:
            return
        except DiskTrouble as error:
            _log.error("%s: cannot be had: %s", month, error)
            self._fail_all(error)
        except BaseException as error:  # an error in this program
            self._fail_all(error)
            raise

    def _try(self, order: int, month: str, key: str) -> None:
        """Bring one part, or write down why it cannot be had."""
        try:
            service = self._logged_in()
            if self._split(service, order, month, key):
                return
            worker = PartWorker(
                service, self._manifests[month], patience=self._patience, stop=self._stop,
                known_jobs=self._known_jobs,
            )  # fmt: skip
            pieces = worker.run(key)
        except DataError as error:
            self._fail(month, key, error)
        else:
            self._replace(order, month, pieces)

    def _split(self, service: Service, order: int, month: str, key: str) -> bool:
        """Cut a part that was never submitted, where the service says that it costs too much."""
        manifest = self._manifests[month]
        part = manifest.part(key)
        if part.state != "planned" or part.submissions:
            return False
        pieces = within_limit(part.request, lambda request: self._cost(service, request))
        if len(pieces) == 1:
            return False
        _log.info("%s: %s is too large for one request: split in %d", month, key, len(pieces))
        manifest.split(key, pieces)
        self._replace(order, month, [piece.key for piece in pieces])
        return True

    def _cost(self, service: Service, request: CdsRequest) -> Mapping[str, float]:
        """Ask what requests of one shape cost, once; area and month play no part in it."""
        shape = (request.dataset, request.variables, request.levels, request.data_format,
                 request.num_fields)  # fmt: skip
        if shape not in self._costs:
            try:
                self._costs[shape] = service.costs(request)
            except (Unreachable, DataError) as error:
                # The estimate is a courtesy: the submission itself says what is wrong.
                _log.info("no estimate of costs: %s", error)
                return {"cost": 0.0, "limit": 0.0}
        return self._costs[shape]

    def _logged_in(self) -> Service:
        with self._service_lock:
            if self._service is None:
                try:
                    self._service = self._connect()
                except DataError as error:
                    self._fail_all(error)
                    raise
            return self._service

    def _known_jobs(self) -> set[str]:
        """All jobs that some part has or had."""
        parts = [part for manifest in self._manifests.values() for part in manifest.parts]
        return {job for part in parts for job in (part.job, *part.spent_jobs) if job}

    def _replace(self, order: int, month: str, keys: list[str]) -> None:
        """Count a part as done, and the parts that took its place as waiting."""
        with self._changed:
            self._open[month] += len(keys) - 1
            for key in keys:
                heapq.heappush(self._waiting, (order, month, key))
            self._changed.notify_all()

    def _fail(self, month: str, key: str, error: DataError) -> None:
        """Give up a month, or everything where the reason concerns all."""
        part = self._manifests[month].part(key)
        self._manifests[month].put(replace(part, failure=str(error)))
        with self._changed:
            # What is missing of a month misses in all its requests: one line for it.
            is_news = month not in self._failures
            self._failures.setdefault(month, error)
            self._changed.notify_all()
        if is_news:
            level = logging.WARNING if isinstance(error, NotReleased) else logging.ERROR
            _log.log(level, "%s: cannot be had: %s", month, error)
        if isinstance(error, Refused):
            self._fail_all(error)

    def _fail_all(self, error: BaseException) -> None:
        """Give everything up."""
        self._stop.set()
        with self._changed:
            for month, missing in self._open.items():
                if missing:
                    self._failures.setdefault(month, error)
            self._changed.notify_all()
