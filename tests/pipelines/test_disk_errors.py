"""Errors of the disk, told from those of a file's content."""

import errno

import pytest

from pipelines.disk_errors import is_of_disk


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (OSError(errno.EIO, "Input/output error"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (PermissionError(errno.EACCES, "Permission denied"), True),
        (OSError(errno.EINVAL, "Invalid argument"), False),  # a seek before the beginning
        (OSError(-101, "NetCDF: HDF error"), False),
        (OSError("Unable to open file (truncated)"), False),
        (ValueError("no number"), False),
    ],
)
def test_numbers_tell_them_apart(error: Exception, is_so: bool) -> None:
    assert is_of_disk(error) == is_so
