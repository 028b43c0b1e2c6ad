"""Where a stage's tasks run: threads, processes of this machine, or a Dask cluster.

A stage opens one and maps a function over plain values that say what to do. Where they run
changes no result, so none of these settings is part of a fingerprint.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dask.utils import format_bytes

from pipelines.errors import DataError
from pipelines.memory_limit import parse_memory_limit

if TYPE_CHECKING:
    import distributed

__all__ = ["Cluster", "Distributed", "LocalCluster", "Threads", "Workers"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PROCESS_BYTES = 512 * 2**20
"""What a worker process takes before any field: about 350 MiB of modules, and some reserve."""
_FIELDS_SHARE = 2
"""Of the rest, fields may take 1 / this: messages and the allocator's leftovers take some."""


class Workers(Protocol):
    """What a stage sees of an open cluster."""

    @property
    def task_bytes(self) -> int:
        """Memory that one task may take for fields."""
        ...

    def map(self, function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """Call a function for every item; results in the items' order."""
        ...


class Cluster(Protocol):
    """Settings of a cluster."""

    def open(self) -> Any:
        """Give a context manager whose value is `Workers`."""
        ...


@dataclass(frozen=True)
class Threads:
    """Dask threads of this process.

    Attributes:
        workers: how many; None: one a processor.
        memory_limit: for the fields that all of them work on at once, as `2GiB`.

    Raises:
        ValueError: if a value is out of range.
    """

    workers: int | None = None
    memory_limit: str = "2GiB"

    def __post_init__(self) -> None:
        """Check ranges."""
        _check(self.workers, self.memory_limit)

    @contextmanager
    def open(self) -> Iterator[Workers]:
        """Give the threads; Dask makes them when they are needed."""
        count = self.workers or os.cpu_count() or 1
        yield _ThreadWorkers(count, parse_memory_limit(self.memory_limit) // count)


@dataclass(frozen=True)
class LocalCluster:
    """Dask worker processes of one thread each on this machine.

    Attributes:
        workers: how many.
        memory_limit: of each process, as `2GiB`; half a GiB of it is for the process itself.

    Raises:
        ValueError: if a value is out of range.
    """

    workers: int = 2
    memory_limit: str = "2GiB"

    def __post_init__(self) -> None:
        """Check ranges."""
        _check(self.workers, self.memory_limit)
        if parse_memory_limit(self.memory_limit) <= _PROCESS_BYTES:
            raise ValueError(_too_little(parse_memory_limit(self.memory_limit)))

    @contextmanager
    def open(self) -> Iterator[Workers]:
        """Start the processes; end them after use."""
        # Imported where a cluster is opened, here and below: it takes a second.
        import dask
        import distributed

        limit = parse_memory_limit(self.memory_limit)
        # Tasks keep to their share. A worker that pauses at a threshold could wait for ever,
        # since what fills its memory need not be a task's.
        with (
            dask.config.set({"distributed.worker.memory.pause": False}),
            distributed.LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=limit,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield _ClientWorkers(client, _task_bytes(limit, num_threads=1))


@dataclass(frozen=True)
class Distributed:
    """A Dask cluster that runs already.

    Its workers must have this package and see archive and workspace under the same paths.

    Attributes:
        address: the scheduler's, as `tcp://scheduler:8786`.
        memory_limit: of a worker process that was started without a limit of its own.
        timeout_seconds: how long to wait for the scheduler.

    Raises:
        ValueError: if a value is out of range.
    """

    address: str
    memory_limit: str = "2GiB"
    timeout_seconds: int = 30

    def __post_init__(self) -> None:
        """Check ranges."""
        _check(None, self.memory_limit)
        if not self.address:
            raise ValueError("address is empty; expected a scheduler's, as tcp://scheduler:8786")
        if self.timeout_seconds < 1:
            raise ValueError(f"timeout_seconds is {self.timeout_seconds}; expected at least 1")

    @contextmanager
    def open(self) -> Iterator[Workers]:
        """Connect; leave the cluster running after use.

        Raises:
            DataError: if there is no scheduler, or it has no workers, or they have too little
            memory.
        """
        import distributed

        try:
            client = distributed.Client(
                self.address, timeout=self.timeout_seconds, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise DataError(f"found no Dask scheduler at {self.address}: {error}") from error
        with client:
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
            if not workers:
                raise DataError(f"the Dask scheduler at {self.address} has no workers")
            limit = parse_memory_limit(self.memory_limit)
            shares = [
                _task_bytes(worker["memory_limit"] or limit, num_threads=worker["nthreads"])
                for worker in workers
            ]
            if min(shares) <= 0:
                smallest = min(worker["memory_limit"] or limit for worker in workers)
                raise DataError(f"Dask cluster at {self.address}: {_too_little(smallest)}")
            yield _ClientWorkers(client, min(shares))


@dataclass(frozen=True)
class _ThreadWorkers:
    """Threads, through Dask's own scheduler."""

    count: int
    task_bytes: int

    def map(self, function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        import dask

        # Bound to the function, items are left alone: Dask looks into arguments for its own.
        tasks = [dask.delayed(partial(function, item), pure=False)() for item in items]
        return list(dask.compute(*tasks, scheduler="threads", num_workers=self.count))


@dataclass(frozen=True)
class _ClientWorkers:
    """Worker processes, through a client."""

    client: "distributed.Client"
    task_bytes: int

    def map(self, function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        # Not pure: the same item again may have files to write again. No retries: a task may
        # find its own half of the work done.
        futures = self.client.map(function, items, pure=False, retries=0)
        results: list[_Result] = self.client.gather(futures)
        return results


def _task_bytes(limit: int, *, num_threads: int) -> int:
    """Give the memory for fields of each of a process's threads."""
    return (limit - _PROCESS_BYTES) // (_FIELDS_SHARE * num_threads)


def _too_little(limit: int) -> str:
    return (
        f"memory_limit of a worker process is {format_bytes(limit)}; expected more than "
        f"{format_bytes(_PROCESS_BYTES)}, which the process takes by itself"
    )


def _check(workers: int | None, memory_limit: str) -> None:
    """Check the two settings that clusters share."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; expected at least 1, or null for all processors")
    parse_memory_limit(memory_limit)
