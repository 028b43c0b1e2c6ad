"""A disk that is full, read-only or forbidden: the operator's to mend, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import DataError

__all__ = ["DiskTrouble", "using_disk"]


class DiskTrouble(DataError):
    """What was received cannot be kept or read; that holds for every month."""


@contextmanager
def using_disk(folder: Path) -> Iterator[None]:
    """Turn the system's errors into one line; names `folder` where the system names no file.

    Raises:
        DiskTrouble: for an OSError in the block.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        raise DiskTrouble(
            f"{error.filename or folder}: {reason}; expected to read and write there. Free space "
            "or permissions first, then run again: it goes on where it was"
        ) from error
