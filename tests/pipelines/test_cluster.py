import os
import threading
import time
from collections.abc import Iterator

import distributed
import pytest

from pipelines.cluster import Distributed, LocalCluster, Threads
from pipelines.errors import DataError


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster that runs already, by its address; its workers are threads of this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=False, memory_limit="16GiB",
        host="127.0.0.1", protocol="tcp://", dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def slow_square(number: int) -> int:
    time.sleep(0.05 / (number + 1))  # the first ones end last
    return number**2


def where(number: int) -> tuple[int, int]:
    time.sleep(0.05)
    return os.getpid(), threading.get_ident()


def refuse(number: int) -> int:
    if number == 3:
        raise DataError("found 3; expected another number")
    return number


def test_results_come_in_the_order_of_the_items(scheduler: str):
    for cluster in (Threads(3), Distributed(scheduler)):
        with cluster.open() as workers:
            assert workers.map(slow_square, range(8)) == [n**2 for n in range(8)]


def test_threads_are_as_many_as_asked_and_share_the_memory():
    with Threads(2, "1GiB").open() as workers:
        assert workers.task_bytes == 2**29
        found = workers.map(where, range(8))
    assert {process for process, _ in found} == {os.getpid()}
    assert len({thread for _, thread in found}) == 2


def test_threads_are_one_a_processor_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    with Threads(None, "1GiB").open() as workers:
        assert workers.task_bytes == 2**28


def test_local_workers_are_processes_of_their_own():
    with LocalCluster(2, "1GiB").open() as workers:
        assert workers.task_bytes == 2**28  # half of what the process itself leaves
        found = {process for process, _ in workers.map(where, range(8))}
        with pytest.raises(DataError, match="found 3; expected another number"):
            workers.map(refuse, range(5))
    assert len(found) == 2 and os.getpid() not in found


def test_a_cluster_s_memory_is_its_workers(scheduler: str):
    with Distributed(scheduler).open() as workers:
        assert workers.task_bytes == (16 - 0.5) * 2**30 / 4  # two threads, half of it for fields


def test_a_task_s_error_is_raised_here(scheduler: str):
    for cluster in (Threads(2), Distributed(scheduler)):
        with cluster.open() as workers, pytest.raises(DataError, match="found 3; expected another"):
            workers.map(refuse, range(5))


def test_a_cluster_outlives_its_use(scheduler: str):
    for _ in range(2):
        with Distributed(scheduler).open() as workers:
            assert workers.map(abs, [-1]) == [1]


def test_dask_s_default_scheduler_stays_as_it_was(scheduler: str):
    with Distributed(scheduler).open(), pytest.raises(ValueError, match="No global client found"):
        distributed.get_client()


def test_no_scheduler_is_one_line():
    with (
        pytest.raises(DataError, match="found no Dask scheduler at tcp://127.0.0.1:9: "),
        Distributed("tcp://127.0.0.1:9", timeout_seconds=1).open(),
    ):
        pass


def test_a_cluster_without_workers_is_refused():
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, host="127.0.0.1", protocol="tcp://",
            dashboard_address="127.0.0.1:0",
        ) as empty,
        pytest.raises(DataError, match="has no workers"),
        Distributed(empty.scheduler_address).open(),
    ):  # fmt: skip
        pass


def test_a_cluster_of_too_small_workers_is_refused():
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, memory_limit="256MiB", host="127.0.0.1",
            protocol="tcp://", dashboard_address="127.0.0.1:0",
        ) as small,
        pytest.raises(DataError, match="worker process is 256.00 MiB; expected more than 512"),
        Distributed(small.scheduler_address).open(),
    ):  # fmt: skip
        pass


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Threads(0), "workers is 0; expected at least 1"),
        (lambda: Threads(1, "many"), "cannot read memory_limit 'many'; expected a size"),
        (lambda: LocalCluster(0), "workers is 0"),
        (lambda: Threads(1, "10kB"), "memory_limit is 9.77 kiB; expected at least 1 MiB"),
        (lambda: LocalCluster(1, "512MiB"), "process is 512.00 MiB; expected more than 512.00 MiB"),
        (lambda: Distributed(""), "address is empty"),
        (lambda: Distributed("tcp://a:1", "x y"), "cannot read memory_limit"),
        (lambda: Distributed("tcp://a:1", timeout_seconds=0), "timeout_seconds is 0"),
    ],
)
def test_impossible_settings_are_refused(make, message: str):
    with pytest.raises(ValueError, match=message):
        make()
