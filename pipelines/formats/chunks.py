"""How many fields of a file are decoded at once."""

import numpy as np

__all__ = ["hours_a_chunk"]

_CHUNK_BYTES = 32 * 2**20  # every thread holds some such chunks
_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)


def hours_a_chunk(num_points: int) -> int:
    """Give how many hours of one level to decode at once: a day, or what of it stays small.

    Args:
        num_points: of a float32 field.
    """
    fitting = _CHUNK_BYTES // (num_points * np.dtype(np.float32).itemsize)
    return max(hours for hours in _HOURS if hours <= max(fitting, 1))
