"""What reading a damaged zip file raises, depending on which byte of it is wrong."""

import zipfile
import zlib

__all__ = ["OF_BROKEN_ZIPS"]

OF_BROKEN_ZIPS = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError,
)  # fmt: skip
"""RuntimeError: a member that wants a password. OSErrors may also be the disk's: see
`pipelines.disk_errors`."""
