"""One GPU for all runs of a Prefect server: who wants it waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency

__all__ = ["GPU_LIMIT", "gpu_slot"]

GPU_LIMIT = "gpu"
"""Name of the global concurrency limit; `make up` makes it, with one slot."""


@contextmanager
def gpu_slot(device: str) -> Iterator[None]:
    """Hold a slot of the limit `gpu` while the block runs; on a CPU nothing is held.

    Where the server has no such limit, as the embedded one, Prefect says so in the log and
    nobody waits. The slot of a process that was killed is free again when its lease ends
    (five minutes).

    Args:
        device: as PyTorch names it, `cpu` or `cuda`.
    """
    if device == "cpu":
        yield
        return
    with concurrency(GPU_LIMIT, occupy=1):
        yield
