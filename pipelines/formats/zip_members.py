"""The members of a zip file, each in a file of its own for as long as it is looked at."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pipelines.disk_errors import is_of_disk
from pipelines.errors import DataError
from pipelines.formats.broken_zip import OF_BROKEN_ZIPS, refuse_password

__all__ = ["ZIP_LIMIT", "zip_members"]

ZIP_LIMIT = 64 * 2**30
"""Largest unpacked size of a zip [bytes]; a month of global fields is far less."""


def zip_members(path: Path, *, limit: int = ZIP_LIMIT) -> Iterator[tuple[str, Path]]:
    """Unpack one member after the other, folders left out.

    Args:
        path: of the zip file.
        limit: largest unpacked size of all members [bytes].

    Yields:
        Zip file and member for messages, and a file with what the member holds, which is gone when
        the next one is asked for.

    Raises:
        DataError: if the zip is broken, or larger than `limit`.
    """
    with _opened(path) as archive, tempfile.TemporaryDirectory() as folder:
        members = [member for member in archive.infolist() if not member.is_dir()]
        size = sum(member.file_size for member in members)
        if size > limit:
            raise DataError(f"{path}: found {size} bytes unpacked; expected at most {limit}")
        for number, member in enumerate(members):
            # Under a name of our own: a member's name may point anywhere.
            unpacked = Path(folder) / str(number)
            _unpack(archive, member, path, unpacked)
            yield f"{path}, member {member.filename!r}", unpacked
            unpacked.unlink()


def _opened(path: Path) -> zipfile.ZipFile:
    """Open the file, which reads what is in it."""
    try:
        return zipfile.ZipFile(path)
    except (*OF_BROKEN_ZIPS, UnicodeDecodeError) as error:
        raise _broken(path, error) from error


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, target: Path) -> None:
    """Write what a member holds."""
    try:
        refuse_password(member)
        with archive.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except (*OF_BROKEN_ZIPS, UnicodeDecodeError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> Exception:
    """Say that a zip is broken, if it is not the disk."""
    if is_of_disk(error):
        return error
    return DataError(f"{path}: found a broken zip ({error}); expected a whole one")
