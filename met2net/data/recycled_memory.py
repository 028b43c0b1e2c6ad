"""Memory for batches that is used again when nobody holds it any more."""

import weakref

import numpy as np
import torch
from torch import Tensor

__all__ = ["RecycledMemory"]


class RecycledMemory:
    """Allocates tensors in memory that earlier, forgotten tensors had.

    Fresh memory costs a page fault every 4 KiB, which takes as long as filling it.
    """

    def __init__(self) -> None:
        """Start with no memory."""
        self._free: list[np.ndarray] = []

    def __call__(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Give a tensor with any content; it and its views keep the memory."""
        size = int(np.prod(shape)) * dtype.itemsize
        memory = self._find(size)
        # The tensor refers to this view, and so does every view of the tensor.
        lease = memory[:size]
        weakref.finalize(lease, self._free.append, memory).atexit = False
        return torch.from_numpy(lease).view(dtype).view(shape)

    def _find(self, size: int) -> np.ndarray:
        """Take free memory that is large enough; smaller ones are let go."""
        while True:
            try:
                memory = self._free.pop()  # in one step: other threads do the same
            except IndexError:
                return np.empty(size, np.uint8)
            if memory.nbytes >= size:
                return memory
