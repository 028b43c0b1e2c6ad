"""Memory that a training on the CPU frees and needs again at the next operation."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
_LARGEST_INT = 2**31 - 1
_HIGHEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, instead of giving it back to the kernel.

    glibc's `malloc` gives large blocks back at once, and takes them again at the next operation:
    pages that the kernel clears and maps anew, every step. From now on blocks up to 32 MiB come
    from the heap, and the heap never shrinks. The process then holds what it needed at its peak,
    until it ends, so this is for processes that do nothing but train. Nowhere else than on Linux
    with glibc does it do anything. Source: mallopt(3).

    Returns:
        Whether memory is kept from now on.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    accepted = [
        mallopt(_MMAP_THRESHOLD, _HIGHEST_MMAP_THRESHOLD),
        mallopt(_TRIM_THRESHOLD, _LARGEST_INT),
    ]
    return all(accepted)
