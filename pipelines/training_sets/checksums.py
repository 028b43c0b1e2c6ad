"""Checksums of a training set's chunks: its fields are plain numbers that carry none.

They lie beside the store, written before it gets its name. Reading a set through once costs
what its first epoch costs; a damaged chunk would be trained on without a word.
"""

import json
import logging
import zlib
from pathlib import Path

from pipelines.atomic import write_text

__all__ = ["checksum_file", "damaged_files", "write_checksums"]

_BLOCK = 2**22
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
    found = set(_files(store))
    return sorted(
        name for name, crc in expected.items() if name not in found or _crc32(store / name) != crc
    )


def _files(store: Path) -> list[str]:
    return sorted(path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc
