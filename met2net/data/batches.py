"""Batches of windows: which windows in which order, and reading them ahead."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from met2net.data.fields import Allocate, allocate_page_locked
from met2net.data.recycled_memory import RecycledMemory
from met2net.data.windows import Sample, WindowDataset

__all__ = ["BatchOrder", "WindowBatches"]


@dataclass(frozen=True)
class BatchOrder:
    """Which windows make up which batch of an epoch, on one of some devices.

    The order follows from these numbers and the epoch alone, never from where fields lie or
    how fast they are read: all windows are shuffled, whether the set is mapped or streamed.
    Fields on disk are not compressed, so a window is one or two reads wherever it is, and
    shuffling only within neighbouring chunks, which trains on less mixed batches, would gain
    little.

    In training (`shuffle`) every device gets as many windows as the others, since devices wait
    for each other at every step; up to `world_size - 1` windows, others each epoch, are left
    out. Without shuffling every window is given exactly once, to one device.

    Attributes:
        num_windows: how many there are.
        batch_size: windows a batch, on each device.
        shuffle: whether to mix the windows, differently in every epoch.
        seed: another seed, another order.
        drop_last: leave out a last batch that is not full.
        rank: number of this device, from 0.
        world_size: number of devices.

    Raises:
        ValueError: if a number is out of range or a device would get no batch.
    """

    num_windows: int
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    drop_last: bool = False
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; expected at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected at least 0")
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank is {self.rank}; expected 0 to {self.world_size - 1}")
        least = self.world_size * (self.batch_size if self.drop_last else 1)
        if self.num_windows < least:
            raise ValueError(
                f"there are {self.num_windows} windows for {self.world_size} devices; "
                f"expected at least {least}, one batch each"
            )

    @classmethod
    def of_split(
        cls,
        num_windows: int,
        batch_size: int,
        *,
        training: bool,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> "BatchOrder":
        """Give the order that a split has: training's is shuffled, of full batches where there are.

        A last batch of one sample would give batch statistics of a single point.

        Raises:
            ValueError: as the class does.
        """
        return cls(
            num_windows, batch_size, shuffle=training, seed=seed,
            drop_last=training and num_windows >= batch_size * world_size,
            rank=rank, world_size=world_size,
        )  # fmt: skip

    @property
    def num_batches(self) -> int:
        """Number of batches of this device in an epoch."""
        windows = len(range(self.rank, self._num_shared, self.world_size))
        return windows // self.batch_size if self.drop_last else -(-windows // self.batch_size)

    def windows(self, epoch: int) -> Int64[np.ndarray, " n"]:
        """Give this device's windows of an epoch in order, before they are cut into batches."""
        if not self.shuffle:
            return np.arange(self.rank, self.num_windows, self.world_size)
        mixed = np.random.default_rng([self.seed, epoch]).permutation(self.num_windows)
        mine: Int64[np.ndarray, " n"] = mixed[self.rank : self._num_shared : self.world_size]
        return mine

    @property
    def _num_shared(self) -> int:
        """Number of windows that all devices together use."""
        return self.num_windows - (self.num_windows % self.world_size if self.shuffle else 0)


class WindowBatches:
    """Iterates over an epoch's batches; threads read the next ones meanwhile.

    Lightning tells it the epoch as it tells a sampler; where nobody does, as in a plain loop, every
    iteration after a whole one is of the next epoch. Its state is the epoch and the number of
    batches given out: an iteration after `load_state_dict` goes on exactly there.
    """

    batch_sampler = None  # Lightning looks for it where there is a `sampler`

    def __init__(
        self,
        windows: WindowDataset,
        order: BatchOrder,
        *,
        prefetch: int = 2,
        pin_memory: bool = False,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            windows: where samples come from.
            order: which windows, in which batches.
            prefetch: batches read ahead, each by a thread of its own; 0: read when asked for.
            pin_memory: read into page-locked memory (needs a GPU).

        Raises:
            ValueError: if the order is of another number of windows, or `prefetch` negative.
        """
        if order.num_windows != len(windows):
            raise ValueError(f"order of {order.num_windows} windows; expected {len(windows)}")
        if prefetch < 0:
            raise ValueError(f"prefetch is {prefetch}; expected at least 0")
        self._windows = windows
        self._order = order
        self._prefetch = prefetch
        # PyTorch keeps page-locked memory for the next use itself.
        self._allocate: Allocate = allocate_page_locked if pin_memory else RecycledMemory()
        self._epoch = 0
        self._given = 0  # batches of the epoch that were given out
        self._first = 0  # batch that the next iteration starts with
        self._is_told = False  # somebody chooses the epochs

    @property
    def sampler(self) -> "WindowBatches":
        """What Lightning tells the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; another one than before starts at its first batch."""
        self._is_told = True
        if epoch != self._epoch:
            self._epoch, self._given, self._first = epoch, 0, 0

    def state_dict(self) -> dict[str, int]:
        """Tell where in which epoch the iteration is."""
        return {"epoch": self._epoch, "batch": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration go on where another one was.

        Raises:
            ValueError: if the epoch has fewer batches.
        """
        if not 0 <= state["batch"] <= len(self):
            raise ValueError(f"state is at batch {state['batch']}; expected 0 to {len(self)}")
        self._epoch, self._is_told = state["epoch"], True
        self._given = self._first = state["batch"]

    def __len__(self) -> int:
        return self._order.num_batches

    def __iter__(self) -> Iterator[Sample]:
        """Give the epoch's batches, or after `load_state_dict` once those that are left."""
        if self._given == len(self) and not self._is_told:
            self._epoch, self._given, self._first = self._epoch + 1, 0, 0
        first, self._first = self._first, 0
        size = self._order.batch_size
        windows = self._order.windows(self._epoch)
        parts = [windows[i * size : (i + 1) * size] for i in range(first, len(self))]
        for number, batch in enumerate(self._read(parts), start=first + 1):
            self._given = number
            yield batch

    def _read(self, parts: list[Int64[np.ndarray, " _"]]) -> Iterator[Sample]:
        """Read batches in order, some ahead of the one that is given out."""
        if self._prefetch == 0:
            yield from (self._windows.batch(p, allocate=self._allocate) for p in parts)
            return
        ahead: deque[Future[Sample]] = deque()
        readers = ThreadPoolExecutor(self._prefetch, thread_name_prefix="windows")
        try:
            for part in parts:
                ahead.append(readers.submit(self._windows.batch, part, allocate=self._allocate))
                if len(ahead) > self._prefetch:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            readers.shutdown(cancel_futures=True)
