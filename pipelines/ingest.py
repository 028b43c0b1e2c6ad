"""Bring an archive up to a period: fetch, regrid, verify and commit month by month.

A month enters only as a whole: it is written in a session, read back and verified, and then
committed. Whatever fails before leaves the archive's newest snapshot as it was.
"""

import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dask
import filelock
import icechunk
import numpy as np
import xarray as xr

import met2net
from pipelines.archive import (
    BRANCH,
    ArchiveContents,
    ArchiveState,
    newest_state,
    open_repository,
)
from pipelines.archive_layout import to_layout, write_month
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.period import Month, Period
from pipelines.regrid import GridSettings, regrid
from pipelines.sources.source import MonthRequest, Source, name_files
from pipelines.verify_month import check_content, check_structure

__all__ = ["ingest"]

_log = logging.getLogger(__name__)

_HOUR = np.timedelta64(1, "h")


def ingest(
    source: Source,
    *,
    period: Period,
    fields: Mapping[str, tuple[int, ...]],
    grid: GridSettings,
    raw_folder: Path,
    path: Path,
    replace: bool = False,
) -> ArchiveState:
    """Bring an archive up to a period: fetch, regrid, verify and commit month by month.

    A month whose wanted hours the archive holds already is not fetched, so that a change in
    the source's files goes unnoticed. It is fetched after all with `replace`, and where the
    same source now has other settings. A fetched month whose files are the same as before
    changes nothing.

    Sources with an attribution give the same real weather and may follow each other in one
    archive; what others make up depends on their settings, which must stay the same. Fields
    of a source that do not say which data it gives (keys, time limits) are declared
    `field(compare=False)` and left out here.

    Args:
        source: where months come from; a frozen dataclass.
        period: hours wanted; must start at the archive's start or join on to its end.
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).
        grid: the grid to keep them on.
        raw_folder: where the source keeps what it received.
        path: the archive's folder; made where it is not there.
        replace: fetch months that the archive already holds, too.

    Returns:
        The archive's state afterwards.

    Raises:
        DataError: if a month is not what it must be, does not join on to the archive, or
            the archive was made with other settings, or another process is writing to it.
    """
    fields = {name: tuple(sorted(levels)) for name, levels in fields.items()}
    if not fields:
        raise DataError("no fields are asked for; expected at least one variable")
    settings = to_plain({"weather": _weather(source), "grid": grid, "fields": fields})
    with _locked(path):
        repository = open_repository(path, create=True)
        assert repository is not None
        archived = ArchiveContents.read(repository)
        for month in period.months():
            if archived is not None:
                _check_settings(archived, settings)
            plan = _plan(month, period.hours_in(month), archived)
            if plan.action == "none" and not replace:
                assert archived is not None
                if not _is_outdated(archived.records[str(month)], source):
                    continue
            _ingest_month(
                repository, archived, plan, source=source, settings=settings, fields=fields,
                grid=grid, raw_folder=raw_folder,
            )  # fmt: skip
            archived = ArchiveContents.read(repository)
        state = newest_state(repository, path)
    assert state is not None
    return state


def _check_settings(archived: ArchiveContents, wanted: dict[str, Any]) -> None:
    """Refuse to go on with other settings than the archive was made with."""
    for name in ("weather", "grid", "fields"):
        if archived.settings[name] != wanted[name]:
            raise DataError(
                f"the archive was made with {name} {json.dumps(archived.settings[name])}; found "
                f"{json.dumps(wanted[name])}. Other settings need an archive of their own, "
                "under another path"
            )


def _is_outdated(record: Mapping[str, Any], source: Source) -> bool:
    """Tell whether the same source, with other settings, made a month."""
    return bool(
        record["source"] == source.name
        and record["source_settings"] != fingerprint(_identity(source))
    )


@dataclass(frozen=True)
class _Plan:
    """What to do with a month: its hours afterwards, and where they go."""

    month: Month
    action: str  # none, append, extend, replace
    hours: np.ndarray  # of the month, after the commit
    start: int  # position of the month's first hour in the archive


def _plan(month: Month, wanted: np.ndarray, archived: ArchiveContents | None) -> _Plan:
    """Decide how a month joins on to the archive; refuse gaps and earlier hours."""
    if archived is None:
        _check_starts_day(wanted[0])
        return _Plan(month, "append", wanted, 0)
    first, last = archived.hours[[0, -1]]
    held = archived.held(month)
    is_only_month = len(held) == len(archived.hours)
    if wanted[0] < first and not (is_only_month and wanted[-1] >= first - _HOUR):
        raise DataError(
            f"the archive starts at {first} and grows at its end only; found hours from "
            f"{wanted[0]}. Earlier hours need a new archive, under another path"
        )
    _check_starts_day(min(wanted[0], first))
    if wanted[0] > last + _HOUR:
        raise DataError(
            f"the archive ends at {last}; expected hours from {last + _HOUR} on, found them from "
            f"{wanted[0]}: a gap"
        )
    if len(held) == 0:
        return _Plan(month, "append", wanted, len(archived.hours))
    start = int(np.searchsorted(archived.hours, held[0]))
    hours = np.union1d(held, wanted)
    if len(hours) == len(held):
        return _Plan(month, "none", held, start)
    return _Plan(month, "extend", hours, start)


def _check_starts_day(first: np.datetime64) -> None:
    """Refuse an archive whose days would be cut by its chunks."""
    if first != first.astype("datetime64[D]"):
        raise DataError(
            f"the archive would start at {first}; expected hour 00 of a day (chunks are whole days)"
        )


def _ingest_month(
    repository: icechunk.Repository,
    archived: ArchiveContents | None,
    plan: _Plan,
    *,
    source: Source,
    settings: dict[str, Any],
    fields: Mapping[str, tuple[int, ...]],
    grid: GridSettings,
    raw_folder: Path,
) -> None:
    """Fetch, write, verify and commit one month."""
    raw = source.fetch(MonthRequest(plan.month, plan.hours, fields), raw_folder)
    content = _content(raw.manifest)
    action = plan.action
    if action == "none":
        assert archived is not None
        if archived.records[str(plan.month)]["content"] == content:
            _log.info("%s: files unchanged since it was archived", plan.month)
            return
        action = "replace"
    where = f"{source.name}, {plan.month}"
    if names := [file["name"] for file in raw.manifest.get("files", [])]:
        where += f", from {name_files(names)}"
    try:
        month = regrid(raw.dataset, grid)
        check_structure(
            month, hours=plan.hours, fields=fields, grid=None if archived is None else archived.grid
        )
        session = repository.writable_session(BRANCH)
        # A distributed client cannot write through this session: threads of this process do.
        with dask.config.set(scheduler="threads"):
            write_month(session, to_layout(month, fields, source, settings), plan.start, archived)
            stored = xr.open_zarr(session.store, consolidated=False)
            written = stored.isel(time=slice(plan.start, plan.start + len(plan.hours)))
            check_content(written, fields)
            change = _largest_change(repository, written, archived)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    metadata = {
        "month": str(plan.month),
        "action": action,
        "source": source.name,
        "source_settings": fingerprint(_identity(source)),
        "files": _files(raw.manifest),
        "content": content,
        "settings": fingerprint(settings),
        "code_version": met2net.__version__,
        "first_hour": str(plan.hours[0]),
        "last_hour": str(plan.hours[-1]),
        "is_partial": len(plan.hours) < len(plan.month.hours()),
        "largest_change": change,
        "committed_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    session.commit(f"{action} {plan.month} from {source.name}", metadata=metadata)
    _log.info("%s: %s, %d hours from %s", plan.month, action, len(plan.hours), source.name)


def _largest_change(
    repository: icechunk.Repository, written: xr.Dataset, archived: ArchiveContents | None
) -> dict[str, float] | None:
    """Compare hours that were there before: largest absolute difference a variable."""
    if archived is None:
        return None
    both = archived.hours[np.isin(archived.hours, written["time"].values.astype("datetime64[h]"))]
    if len(both) == 0:
        return None
    before = xr.open_zarr(repository.readonly_session(BRANCH).store, consolidated=False)
    times = both.astype("datetime64[ns]")
    before, after = before.sel(time=times), written.sel(time=times)
    # A point that gains or loses its value has no difference; the rest is compared.
    changes = dask.compute({str(n): abs(after[n] - before[n]).max() for n in before.data_vars})[0]
    return {name: float(np.nan_to_num(change)) for name, change in changes.items()}


def _files(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Keep what tells a file apart."""
    keys = ("name", "size", "sha256")
    return [{key: file.get(key) for key in keys} for file in manifest.get("files", [])]


def _content(manifest: Mapping[str, Any]) -> str:
    """Hash what a month was made of: the files' contents, or what identifies a simulation."""
    hashes = sorted(str(file["sha256"]) for file in manifest.get("files", []))
    return fingerprint(hashes if hashes else manifest)


def _identity(source: Source) -> dict[str, Any]:
    """Give the settings of a source that say which data it gives."""
    assert dataclasses.is_dataclass(source)
    return {f.name: getattr(source, f.name) for f in dataclasses.fields(source) if f.compare}


def _weather(source: Source) -> Any:
    """Say what must stay the same in one archive: real weather, or one simulation."""
    if source.attribution is not None:
        return "observed"
    return {"source": source.name, **_identity(source)}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Be the only writer: Icechunk's local storage is not safe for two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.parent / f"{path.name}.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise DataError(
            f"another process is writing to the archive {path} (it holds {lock.lock_file}); "
            "run again when it has finished"
        ) from error
    try:
        yield
    finally:
        lock.release()
