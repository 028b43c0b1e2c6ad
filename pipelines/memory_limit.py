"""Amounts of memory as people write them in settings."""

from dask.utils import format_bytes, parse_bytes

__all__ = ["parse_memory_limit"]

_LEAST = 2**20


def parse_memory_limit(text: str) -> int:
    """Give a size such as `2GiB` or `500MB` in bytes.

    Raises:
        ValueError: if it cannot be read, or is less than 1 MiB.
    """
    try:
        size = int(parse_bytes(text))
    except ValueError as error:
        raise ValueError(
            f"cannot read memory_limit {text!r}; expected a size such as 2GiB"
        ) from error
    if size < _LEAST:
        raise ValueError(f"memory_limit is {format_bytes(size)}; expected at least 1 MiB")
    return size
