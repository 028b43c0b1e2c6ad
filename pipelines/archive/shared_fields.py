"""Archives that differ in their fields alone: what one holds, another copies and does not fetch.

An archive lies under a name of its source, fields, grid and time step (`archive_location`), so
that one more channel means another archive, beside the first. Its months take from there what is
the same: fields of the same source with the same settings, on the same grid and hours. The first
archive is only read.

Archives on object storage are not looked at: nothing lists them.
"""

import glob
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from met2net.data.variable_definitions import DEFINITIONS
from pipelines.archive.check import DAMAGE, check_month
from pipelines.archive.contents import ArchiveContents
from pipelines.archive.layout import open_hours
from pipelines.archive.state import existing_repository
from pipelines.archive.storage import BRANCH
from pipelines.errors import DataError
from pipelines.fingerprint import counted_fields, fingerprint
from pipelines.period import Month
from pipelines.sources.source import Source

__all__ = ["Fields", "SharedFields", "UnlikeMonth", "shared_months", "without", "without_shared"]

Fields = Mapping[str, tuple[int, ...]]
"""CDS long name -> pressure levels [hPa] (empty for surface variables)."""

_log = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<source>.+)-[0-9a-f]{16}")  # as `archive_location` gives them
_MAY_DIFFER = ("fields", DEFINITIONS)


class UnlikeMonth(Exception):
    """What was fetched of a month does not belong to what was to be copied: fetch all of it."""

    def __init__(self, month: Month, problem: str) -> None:
        super().__init__(f"{month}: {problem}")
        self.month = month


@dataclass(frozen=True)
class SharedFields:
    """Fields of one month that another archive holds.

    Attributes:
        path: the other archive's folder.
        snapshot_id: its state.
        month: the month.
        hours: the hours to copy, datetime64[h].
        fields: which of the wanted fields it holds.
        record: the month's record there.
    """

    path: str
    snapshot_id: str
    month: Month
    hours: np.ndarray
    fields: Fields
    record: Mapping[str, Any]

    def joined_with(self, fetched: xr.Dataset | None) -> xr.Dataset:
        """Put the fields that were fetched beside those that are copied, lazily.

        Args:
            fetched: on the archive's grid: `time[, level], latitude, longitude`; None for none.

        Raises:
            UnlikeMonth: if the stored month is damaged, or the fetched one has another
                experiment version or grid.
        """
        repository = existing_repository(self.path)
        contents = ArchiveContents.read(repository, self.snapshot_id)
        store = repository.readonly_session(snapshot_id=self.snapshot_id).store
        for finding in check_month(store, contents, self.month):
            raise UnlikeMonth(self.month, f"damaged in the archive {self.path}: {finding}")
        first = int(np.searchsorted(contents.hours, self.hours[0]))
        stored = open_hours(store, first, first + len(self.hours))
        stored = stored.assign_coords(expver=stored["expver"].compute())
        if fetched is not None:
            self._check_alike(stored, fetched)
        return _join(stored, self.fields, fetched)

    def _check_alike(self, stored: xr.Dataset, fetched: xr.Dataset) -> None:
        """Refuse a preliminary field beside a final one, and another grid."""
        if not np.array_equal(stored["time"].values, fetched["time"].values):
            raise UnlikeMonth(self.month, f"found other hours than the archive {self.path} holds")
        held, found = (dataset["expver"].values.tolist() for dataset in (stored, fetched))
        if held != found:
            raise UnlikeMonth(
                self.month,
                f"found experiment versions {sorted(set(found))}; the archive {self.path} holds "
                f"{sorted(set(held))}",
            )
        for axis in ("latitude", "longitude"):
            if not np.array_equal(stored[axis].values, fetched[axis].values):
                raise UnlikeMonth(
                    self.month, f"found another {axis} than the archive {self.path} has"
                )


def without_shared(fields: Fields, shared: SharedFields | None) -> dict[str, tuple[int, ...]]:
    """Give what remains to be fetched of some fields."""
    return without(fields, {} if shared is None else shared.fields)


def without(fields: Fields, held: Fields) -> dict[str, tuple[int, ...]]:
    """Leave out what is held; of variables on levels, the levels."""
    missing = {
        name: tuple(level for level in levels if level not in held.get(name, ()))
        for name, levels in fields.items()
    }
    return {name: levels for name, levels in missing.items() if levels or name not in held}


def shared_months(
    path: str | Path,
    *,
    source: Source,
    settings: Mapping[str, Any],
    fields: Fields,
    hours: Mapping[Month, np.ndarray],
) -> dict[Month, SharedFields]:
    """Find for each month the archive beside this one that holds most of its fields.

    A month is taken only from the same source with the same settings, with all hours, with its
    values' names kept, and with nothing in it that had to be accepted.

    Args:
        path: this archive; only a folder named as by `archive_location` has others beside it.
        source: where months come from.
        settings: that this archive is made with, as plain values.
        fields: this archive's.
        hours: wanted hours of each month.

    Returns:
        Months of which nothing can be shared are left out.
    """
    found: dict[Month, SharedFields] = {}
    for other, contents in _others(path, settings):
        held = _common(fields, contents.settings["fields"])
        for month, wanted in hours.items():
            record = contents.records.get(str(month))
            if held and record is not None and _fits(record, source, contents, month, wanted):
                shared = SharedFields(str(other), contents.snapshot_id, month, wanted, held, record)
                best = found.get(month)
                if best is None or _count(held) > _count(best.fields):
                    found[month] = shared
    return found


def _others(
    path: str | Path, settings: Mapping[str, Any]
) -> Iterator[tuple[Path, ArchiveContents]]:
    """Read the archives beside one whose settings differ in their fields alone."""
    name = _NAME.fullmatch(Path(path).name)
    if name is None or "://" in str(path):
        return
    own = Path(path)
    for folder in sorted(own.parent.glob(f"{glob.escape(name['source'])}-*")):
        if folder == own or not folder.is_dir() or not _NAME.fullmatch(folder.name):
            continue
        try:
            repository = existing_repository(folder)
            snapshot_id = repository.lookup_branch(BRANCH)
            group = zarr.open_group(
                repository.readonly_session(snapshot_id=snapshot_id).store, mode="r"
            )
            # Before its contents are read: with them, this process learns its variables.
            if _differs_in_fields_alone(json.loads(str(group.attrs["settings"])), settings):
                yield folder, ArchiveContents.read(repository, snapshot_id)
        except (DataError, *DAMAGE) as error:
            _log.warning("archive %s is not looked at for fields to share: %s", folder, error)


def _differs_in_fields_alone(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    other, own = (
        {key: value for key, value in settings.items() if key not in _MAY_DIFFER}
        for settings in (theirs, ours)
    )
    known = ours.get(DEFINITIONS, {})
    defined = theirs.get(DEFINITIONS, {})
    return other == own and all(known.get(name) == value for name, value in defined.items())


def _common(wanted: Fields, held: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """Give the fields that are in both; of those on levels, the levels."""
    common = {
        name: tuple(level for level in levels if level in held[name])
        for name, levels in wanted.items()
        if name in held and bool(levels) == bool(held[name])
    }
    return {name: levels for name, levels in common.items() if levels or not wanted[name]}


def _fits(
    record: Mapping[str, Any],
    source: Source,
    contents: ArchiveContents,
    month: Month,
    wanted: np.ndarray,
) -> bool:
    """Tell whether a month of another archive is what this source would give."""
    return bool(
        record["source"] == source.name
        and record["source_settings"] == fingerprint(counted_fields(source))
        and record.get("values")
        and not record.get("accepted")
        and np.isin(wanted, contents.held(month)).all()
    )


def _count(fields: Fields) -> int:
    """Count fields, those on levels once a level."""
    return sum(len(levels) or 1 for levels in fields.values())


def _join(stored: xr.Dataset, held: Fields, fetched: xr.Dataset | None) -> xr.Dataset:
    """Take some fields of one dataset and all of another, on all levels of either."""
    parts: dict[str, list[xr.DataArray]] = {}
    for name, levels in held.items():
        array = stored[name].drop_vars("expver")
        parts.setdefault(name, []).append(array.sel(level=list(levels)) if levels else array)
    for new, array in (fetched.data_vars if fetched is not None else {}).items():
        parts.setdefault(str(new), []).append(array.drop_vars("expver").reset_coords(drop=True))
    arrays = [_stacked(pieces).rename(name) for name, pieces in parts.items()]
    joined = xr.merge(arrays, join="outer", compat="override", combine_attrs="override")
    return joined.assign_coords(expver=stored["expver"])


def _stacked(pieces: Sequence[xr.DataArray]) -> xr.DataArray:
    """Put levels of one variable together, each once, in increasing pressure."""
    if len(pieces) == 1:
        return pieces[0]
    taken: set[int] = set()
    new = []
    for piece in pieces:
        levels = [level for level in piece["level"].values.tolist() if level not in taken]
        taken.update(levels)
        new.append(piece.sel(level=levels))
    return xr.concat(new, dim="level", join="exact").sortby("level")
