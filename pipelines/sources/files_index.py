"""What the data files of a folder hold, remembered so that a second look is quick."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from met2net.data.grid import Grid
from met2net.data.windows import hours_since_epoch
from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.fingerprint import file_sha256
from pipelines.formats.decode import decode
from pipelines.formats.file_format import DATA_SUFFIXES, file_format
from pipelines.formats.left_out import left_out
from pipelines.formats.levels import held_levels
from pipelines.sources.folder_files import check_name, files_below, list_files

__all__ = ["IndexedFile", "index_folder"]

_logger = logging.getLogger(__name__)

_LAYOUT = 2  # of the index; another number makes an older index unread


@dataclass(frozen=True)
class IndexedFile:
    """One data file.

    Attributes:
        path: absolute path.
        size: [bytes].
        mtime_ns: time of the last change [ns].
        sha256: of the content.
        runs: first and last hour of each unbroken run, hours since 1970-01-01T00.
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).
        latitude: of the grid [degrees_north].
        longitude: of the grid [degrees_east].
        ctime_ns: time of the last change of content or name [ns], which tools cannot set.
        left_out: fields that are not what their names say, and why.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    runs: tuple[tuple[int, int], ...]
    fields: dict[str, tuple[int, ...]]
    latitude: tuple[float, ...]
    longitude: tuple[float, ...]
    ctime_ns: int
    left_out: tuple[str, ...] = ()

    @property
    def hours(self) -> np.ndarray:
        """All hours, since 1970-01-01T00."""
        if not self.runs:
            return np.empty(0, dtype=np.int64)
        return np.concatenate([np.arange(first, last + 1) for first, last in self.runs])

    @property
    def grid(self) -> Grid:
        """The grid of all fields."""
        return Grid(self.latitude, self.longitude)


def index_folder(
    folder: Path,
    *,
    pattern: str,
    cache: Path,
    names: Mapping[str, str] | None = None,
    doubted: np.ndarray | None = None,
) -> list[IndexedFile]:
    """List the data files of a folder with what they hold, in order of their names.

    Files are told by content. One without the first bytes of GRIB, netCDF or zip is left out
    (a licence, a note), unless its name ends as a data file's does: then it is broken.

    Args:
        folder: looked into, never written to.
        pattern: as `*` or `**/*.nc`, relative to the folder.
        cache: JSON file that keeps what was found, by path, size and times of change; one for
            each folder, pattern, names and known variables.
        names: what variables are called in the files.
        doubted: hours, datetime64, whose files are read again whatever the cache says.

    Raises:
        DataError: if the folder is missing, holds no data file, or a data file is broken or has
            a name that is not UTF-8.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: found no such folder; expected one with data files")
    known = _read_cache(cache)
    indexed = []
    for path in list_files(folder, pattern):
        if _is_data(path):
            check_name(path.resolve())
            entry = known.get(str(path.resolve()))
            if entry is None or not _is_current(entry, path.stat(), doubted):
                _logger.info("reading %s", path)
                entry = _index_file(path.resolve(), names)
            indexed.append(entry)
    if not indexed:
        raise DataError(
            f"{folder}: found no GRIB, netCDF or zip file that matches {pattern!r}; expected "
            f"some{files_below(folder, pattern)}"
        )
    if indexed != list(known.values()):
        _write_cache(cache, indexed)
    return indexed


def _is_current(entry: IndexedFile, status: os.stat_result, doubted: np.ndarray | None) -> bool:
    """Tell whether a file is the one that was read; a copy may keep its size and its time."""
    if doubted is not None:
        hours = hours_since_epoch(doubted.astype("datetime64[h]"))
        if np.isin(hours, entry.hours).any():
            return False
    found = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return found == (entry.size, entry.mtime_ns, entry.ctime_ns)


def _is_data(path: Path) -> bool:
    """Tell data by its first bytes, and refuse what only has the name."""
    if file_format(path) is not None:
        return True
    if path.suffix.lower() in DATA_SUFFIXES:
        decode(path)  # raises, and says what was found
    return False


def _index_file(path: Path, names: Mapping[str, str] | None) -> IndexedFile:
    status = path.stat()
    dataset = decode(path, names=names)
    reasons = left_out(dataset)
    for reason in reasons:
        _logger.warning("%s: left out %s", path, reason)
    grid = Grid.from_dataset(dataset) if dataset.data_vars else None
    return IndexedFile(
        path=str(path),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        sha256=file_sha256(path),
        runs=_runs(hours_since_epoch(dataset["time"].values)) if grid else (),
        fields={str(name): held_levels(field) for name, field in dataset.data_vars.items()},
        latitude=grid.latitude if grid else (),
        longitude=grid.longitude if grid else (),
        left_out=reasons,
    )


def _runs(hours: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Shorten increasing hours to runs without a gap."""
    breaks = np.flatnonzero(np.diff(hours) != 1) + 1
    return tuple((int(run[0]), int(run[-1])) for run in np.split(hours, breaks))


def _read_cache(cache: Path) -> dict[str, IndexedFile]:
    """Read what was found last time; nothing if that is absent or of another layout."""
    if not cache.exists():
        return {}
    content = json.loads(cache.read_text())
    if content["layout"] != _LAYOUT:
        return {}
    return {entry["path"]: _from_plain(entry) for entry in content["files"]}


def _from_plain(entry: dict[str, Any]) -> IndexedFile:
    """Turn JSON's lists back into tuples."""
    return IndexedFile(
        **{
            **entry,
            "runs": tuple((first, last) for first, last in entry["runs"]),
            "fields": {name: tuple(levels) for name, levels in entry["fields"].items()},
            "latitude": tuple(entry["latitude"]),
            "longitude": tuple(entry["longitude"]),
            "left_out": tuple(entry["left_out"]),
        }
    )


def _write_cache(cache: Path, indexed: list[IndexedFile]) -> None:
    """Write the index beside its place, then move it there whole."""
    content = {"layout": _LAYOUT, "files": [asdict(entry) for entry in indexed]}
    write_text(cache, json.dumps(content))
