"""What reading a damaged zip file raises, depending on which byte of it is wrong."""

import zipfile
import zlib

__all__ = ["OF_BROKEN_ZIPS", "refuse_password"]

OF_BROKEN_ZIPS = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError,
)  # fmt: skip
"""OSErrors may also be the disk's: see `pipelines.disk_errors`."""

_ENCRYPTED = 0x1  # of a member's flags: APPNOTE.TXT of PKWARE, 4.4.4


def refuse_password(member: zipfile.ZipInfo) -> None:
    """Refuse a member that wants a password, before it is opened: that is a bare RuntimeError.

    Raises:
        zipfile.BadZipFile: if it does.
    """
    if member.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile(f"{member.filename!r} is encrypted, password required")
