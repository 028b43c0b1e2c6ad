"""Checksums of a training set's chunks: its fields are plain numbers that carry none.

They lie beside the store, written before it gets its name. Reading a set through once costs
what its first epoch costs; a damaged chunk would be trained on without a word. What was read and
found sound is written down with sizes and times of change: for a day, files that still have theirs
are not read again. After it they are, since a failing disk changes bits and no time.
"""

import json
import logging
import time
import zlib
from pathlib import Path

from pipelines.atomic import write_text

__all__ = ["checksum_file", "damaged_files", "write_checksums"]

_BLOCK = 2**22
_SOUND_SECONDS = 24 * 3600  # how long what was read counts as sound
_log = logging.getLogger(__name__)


def checksum_file(store: Path) -> Path:
    """Give the place of a store's checksums."""
    return store.with_suffix(".crc32.json")


def write_checksums(store: Path, path: Path) -> None:
    """Write the CRC-32 of every file of a store."""
    sums = {name: _crc32(store / name) for name in _files(store)}
    write_text(path, json.dumps(sums, indent=0) + "\n")


def damaged_files(store: Path) -> list[str]:
    """Compare a store with its checksums; give the files that are not as they were written.

    A store that has no checksums, as one that an earlier version built, passes; checksums that
    cannot be read are such a file themselves.
    """
    path = checksum_file(store)
    if not path.is_file():
        _log.info("%s has no checksums; its content is taken as it is", store)
        return []
    try:
        expected = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # a wrong encoding is one, too
        return [path.name]
    stamps = {name: _stamp(store / name) for name in _files(store)}
    read_at, known = _sound_files(store, path)
    damaged = sorted(
        name
        for name, crc in expected.items()
        if name not in stamps or (known.get(name) != stamps[name] and _crc32(store / name) != crc)
    )
    if not damaged and known != stamps:
        record = {"read_at": read_at, "checksums": _stamp(path), "files": stamps}
        write_text(_record_file(store), json.dumps(record, indent=0) + "\n")
    return damaged


def _record_file(store: Path) -> Path:
    """Give the place of the record of what was read and found sound."""
    return store.with_suffix(".sound.json")


def _sound_files(store: Path, checksums: Path) -> tuple[float, dict[str, list[int]]]:
    """Give when a set was read whole, and the stamps of files that were found sound since.

    Without a record of the last day by these checksums: now, and no files.
    """
    path, now = _record_file(store), time.time()
    if not path.is_file():
        return now, {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        read_at, of, files = record["read_at"], record["checksums"], record["files"]
    except (ValueError, KeyError, TypeError):  # a damaged record is none: everything is read
        return now, {}
    if not 0 <= now - read_at < _SOUND_SECONDS or of != _stamp(checksums):
        return now, {}
    return read_at, files


def _stamp(path: Path) -> list[int]:
    """Give a file's size [bytes] and time of its last change [ns]."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _files(store: Path) -> list[str]:
    return sorted(path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc
