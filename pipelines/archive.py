"""The archive: months of verified fields in an Icechunk repository, one commit a month.

Inside is a CF dataset in Zarr v3: `name(time[, level], latitude, longitude)` float32 in
physical units and `expver(time)`. A chunk is one UTC day of one level of the whole field. The
archive's first hour is an hour 00 and months follow each other without a gap, so every month
starts a chunk and no two months share one.

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
import zarr

import met2net
from met2net.grid import Grid
from met2net.variables import variable
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.period import Month, Period
from pipelines.regrid import GridSettings, regrid
from pipelines.sources.source import MonthRequest, Source
from pipelines.verify_month import check_content, check_structure

__all__ = ["ArchiveState", "current_state", "history", "ingest", "open_archive"]

_log = logging.getLogger(__name__)

_BRANCH = "main"
_DAY = 24  # hours in a chunk
_HOUR = np.timedelta64(1, "h")
_TIME_CHUNK = 366 * 24  # of the small vectors along time
_COORDINATE_ATTRS = {
    "time": {"standard_name": "time", "axis": "T"},
    "latitude": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
    "level": {"standard_name": "air_pressure", "units": "hPa", "positive": "down", "axis": "Z"},
    "expver": {"long_name": "ECMWF experiment version: 0001 final, 0005 preliminary (ERA5T)"},
}


@dataclass(frozen=True)
class ArchiveState:
    """One state of an archive: enough to open exactly these data again.

    Attributes:
        path: the archive's folder.
        snapshot_id: Icechunk's name of the state.
        months: months it holds, as `2016-01`, in order.
    """

    path: str
    snapshot_id: str
    months: tuple[str, ...]


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
        repository = _repository(path, create=True)
        assert repository is not None
        archived = _Archived.read(repository)
        for month in period.months():
            if archived is not None:
                archived.check_settings(settings)
            plan = _plan(month, period.hours_in(month), archived)
            if plan.action == "none" and not replace:
                assert archived is not None
                if not archived.is_outdated(month, source):
                    continue
            _ingest_month(
                repository, archived, plan, source=source, settings=settings, fields=fields,
                grid=grid, raw_folder=raw_folder,
            )  # fmt: skip
            archived = _Archived.read(repository)
        state = _state(repository, path)
    assert state is not None
    return state


def current_state(path: Path) -> ArchiveState | None:
    """Give the newest state of an archive, or None where there is none yet."""
    repository = _repository(path, create=False)
    return None if repository is None else _state(repository, path)


def open_archive(path: Path, snapshot_id: str | None = None) -> xr.Dataset:
    """Open an archive lazily, at its newest or a named state.

    Raises:
        DataError: if there is no archive, no month in it, or no such state.
    """
    repository = _repository(path, create=False)
    if repository is None or _state(repository, path) is None:
        raise DataError(f"found no archive at {path}; expected one with at least one month")
    try:
        if snapshot_id is None:
            session = repository.readonly_session(_BRANCH)
        else:
            session = repository.readonly_session(snapshot_id=snapshot_id)
    except icechunk.IcechunkError as error:
        known = ", ".join(entry["snapshot_id"] for entry in history(path)[-3:])
        raise DataError(
            f"archive {path} has no snapshot {snapshot_id!r}; the newest are: {known}"
        ) from error
    return xr.open_zarr(session.store, consolidated=False)


def history(path: Path) -> list[dict[str, Any]]:
    """List an archive's commits, oldest first.

    Every entry has `snapshot_id`, `written_at`, `message` and the commit's metadata: `month`,
    `action` (append, extend or replace), `source`, `files`, `content`, `source_settings`,
    `settings`, `code_version`, `first_hour`, `last_hour`, `is_partial`, `largest_change`.
    """
    repository = _repository(path, create=False)
    return [] if repository is None else _history(repository)


@dataclass(frozen=True)
class _Archived:
    """What an archive holds now."""

    hours: np.ndarray  # datetime64[h]
    grid: Grid
    settings: dict[str, Any]
    records: dict[str, dict[str, Any]]  # month -> metadata of its newest commit

    @classmethod
    def read(cls, repository: icechunk.Repository) -> "_Archived | None":
        records = {entry["month"]: entry for entry in _history(repository)}
        if not records:
            return None
        dataset = xr.open_zarr(repository.readonly_session(_BRANCH).store, consolidated=False)
        return cls(
            dataset["time"].values.astype("datetime64[h]"),
            Grid.from_dataset(dataset),
            json.loads(dataset.attrs["settings"]),
            records,
        )

    def held(self, month: Month) -> np.ndarray:
        """Hours of a month that are there."""
        return self.hours[np.isin(self.hours, month.hours())]

    def is_outdated(self, month: Month, source: Source) -> bool:
        """Tell whether the same source, with other settings, made a month."""
        record = self.records[str(month)]
        return record["source"] == source.name and record["source_settings"] != fingerprint(
            _identity(source)
        )

    def check_settings(self, wanted: dict[str, Any]) -> None:
        for name in ("weather", "grid", "fields"):
            if self.settings[name] != wanted[name]:
                raise DataError(
                    f"the archive was made with {name} {json.dumps(self.settings[name])}; found "
                    f"{json.dumps(wanted[name])}. Other settings need an archive of their own, "
                    "under another path"
                )


@dataclass(frozen=True)
class _Plan:
    """What to do with a month: its hours afterwards, and where they go."""

    month: Month
    action: str  # none, append, extend, replace
    hours: np.ndarray  # of the month, after the commit
    start: int  # position of the month's first hour in the archive


def _plan(month: Month, wanted: np.ndarray, archived: _Archived | None) -> _Plan:
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
    archived: _Archived | None,
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
    where = f"{source.name}, {plan.month}: "
    try:
        month = regrid(raw.dataset, grid)
        check_structure(
            month, hours=plan.hours, fields=fields, grid=None if archived is None else archived.grid
        )
        session = repository.writable_session(_BRANCH)
        # A distributed client cannot write through this session: threads of this process do.
        with dask.config.set(scheduler="threads"):
            _write(session, _canonical(month, fields, source, settings), plan.start, archived)
            stored = xr.open_zarr(session.store, consolidated=False)
            written = stored.isel(time=slice(plan.start, plan.start + len(plan.hours)))
            check_content(written, fields)
            change = _largest_change(repository, written, archived)
    except DataError as error:
        raise DataError(where + str(error)) from error
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


def _canonical(
    month: xr.Dataset,
    fields: Mapping[str, tuple[int, ...]],
    source: Source,
    settings: dict[str, Any],
) -> xr.Dataset:
    """Bring a month to the archive's layout: attributes, dtypes, chunks, nothing else."""
    levels = sorted({level for wanted in fields.values() for level in wanted})
    dataset = month[list(fields)].drop_encoding()
    if levels:
        dataset = dataset.sel(level=levels)
    keep = ["time", "expver", "latitude", "longitude", *(["level"] if levels else [])]
    dataset = dataset.reset_coords(drop=True)[list(fields)].assign_coords(
        {
            "time": month["time"].values.astype("datetime64[ns]"),
            # Fixed-width text has no place in Zarr's specification; this has.
            "expver": ("time", month["expver"].values.astype(np.dtypes.StringDType())),
        }
    )
    for name in fields:
        dataset[name] = dataset[name].astype(np.float32, copy=False)
        dataset[name].attrs = variable(name).attrs
    for name in keep:
        dataset[name].attrs = _COORDINATE_ATTRS[name]
    dataset.attrs = {
        "Conventions": "CF-1.11",
        "title": "Weather fields archived by met2net",
        "source": source.name,
        "attribution": source.attribution or "",
        "settings": json.dumps(settings),
    }
    chunks = {"time": _DAY, "level": 1, "latitude": -1, "longitude": -1}
    return dataset.chunk({dim: size for dim, size in chunks.items() if dim in dataset.dims})


def _write(
    session: icechunk.Session, month: xr.Dataset, start: int, archived: _Archived | None
) -> None:
    """Write a month at its position: new archive, over itself, or at the end."""
    month = month.assign_coords(expver=month["expver"].compute())
    if archived is None:
        month.to_zarr(session.store, consolidated=False, mode="w-", encoding=_encoding(month))
        return
    end = start + month.sizes["time"]
    if end < len(archived.hours):  # a month before the last one: as many hours as before
        moving = month.drop_vars([name for name in month.coords if "time" not in month[name].dims])
        moving.to_zarr(
            session.store, consolidated=False, mode="r+", region={"time": slice(start, end)}
        )
        return
    if start < len(archived.hours):
        _cut(session, start)
    month.to_zarr(session.store, consolidated=False, append_dim="time")


def _cut(session: icechunk.Session, length: int) -> None:
    """Take the hours from a position on away, at the edge of a day's chunk."""
    group = zarr.open_group(session.store, mode="r+")
    for _, array in group.arrays():
        if array.metadata.dimension_names[0] == "time":
            array.resize((length, *array.shape[1:]))


def _encoding(month: xr.Dataset) -> dict[str, dict[str, Any]]:
    # A short first month must not make its day's chunk shorter.
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"chunks": (_DAY, *(sizes[0] for sizes in array.chunks[1:]))}
        for name, array in month.data_vars.items()
    }
    encoding["time"] = {
        "units": "hours since 1970-01-01",
        "calendar": "proleptic_gregorian",
        "dtype": "int64",
        "chunks": (_TIME_CHUNK,),
    }
    encoding["expver"] = {"chunks": (_TIME_CHUNK,)}
    return encoding


def _largest_change(
    repository: icechunk.Repository, written: xr.Dataset, archived: _Archived | None
) -> dict[str, float] | None:
    """Compare hours that were there before: largest absolute difference a variable."""
    if archived is None:
        return None
    both = archived.hours[np.isin(archived.hours, written["time"].values.astype("datetime64[h]"))]
    if len(both) == 0:
        return None
    before = xr.open_zarr(repository.readonly_session(_BRANCH).store, consolidated=False)
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


def _repository(path: Path, *, create: bool) -> icechunk.Repository | None:
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; expected a folder with an archive, or nothing")
    if not path.exists() and not create:
        return None
    # It warns that local folders are not safe for two writers; the lock answers that.
    icechunk.set_logs_filter("error")
    storage = icechunk.local_filesystem_storage(str(path))
    if icechunk.Repository.exists(storage):
        return icechunk.Repository.open(storage)
    if path.exists() and any(path.iterdir()):
        raise DataError(f"folder {path} holds something else; expected an archive, or nothing")
    return icechunk.Repository.create(storage) if create else None


def _history(repository: icechunk.Repository) -> list[dict[str, Any]]:
    entries = [
        {
            **snapshot.metadata,
            "snapshot_id": snapshot.id,
            "written_at": snapshot.written_at.isoformat(),
            "message": snapshot.message,
        }
        for snapshot in repository.ancestry(branch=_BRANCH)
        if "month" in snapshot.metadata
    ]
    return entries[::-1]


def _state(repository: icechunk.Repository, path: Path) -> ArchiveState | None:
    months = {entry["month"] for entry in _history(repository)}
    if not months:
        return None
    return ArchiveState(str(path), repository.lookup_branch(_BRANCH), tuple(sorted(months)))
