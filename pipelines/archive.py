"""The archive: months of verified fields in an Icechunk repository, one commit a month.

Inside is a CF dataset in Zarr v3: `name(time[, level], latitude, longitude)` float32 in
physical units and `expver(time)`. This module reads it; `pipelines.ingest` writes it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import xarray as xr

from met2net.grid import Grid
from pipelines.errors import DataError
from pipelines.period import Month

__all__ = [
    "BRANCH",
    "ArchiveContents",
    "ArchiveState",
    "current_state",
    "history",
    "newest_state",
    "open_archive",
    "open_repository",
]

BRANCH = "main"
"""The only branch of an archive."""


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


def current_state(path: Path) -> ArchiveState | None:
    """Give the newest state of an archive, or None where there is none yet."""
    repository = open_repository(path, create=False)
    return None if repository is None else newest_state(repository, path)


def open_archive(path: Path, snapshot_id: str | None = None) -> xr.Dataset:
    """Open an archive lazily, at its newest or a named state.

    Raises:
        DataError: if there is no archive, no month in it, or no such state.
    """
    repository = open_repository(path, create=False)
    if repository is None or newest_state(repository, path) is None:
        raise DataError(f"found no archive at {path}; expected one with at least one month")
    try:
        if snapshot_id is None:
            session = repository.readonly_session(BRANCH)
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
    repository = open_repository(path, create=False)
    return [] if repository is None else _commits(repository)


@dataclass(frozen=True)
class ArchiveContents:
    """What an archive holds now.

    Attributes:
        hours: all hours, datetime64[h].
        grid: the grid of all fields.
        settings: weather, grid and fields that it was made with, as plain values.
        records: month -> metadata of its newest commit.
    """

    hours: np.ndarray
    grid: Grid
    settings: dict[str, Any]
    records: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, repository: icechunk.Repository) -> "ArchiveContents | None":
        """Read them; None for an archive without a month."""
        records = {entry["month"]: entry for entry in _commits(repository)}
        if not records:
            return None
        dataset = xr.open_zarr(repository.readonly_session(BRANCH).store, consolidated=False)
        return cls(
            dataset["time"].values.astype("datetime64[h]"),
            Grid.from_dataset(dataset),
            json.loads(dataset.attrs["settings"]),
            records,
        )

    def held(self, month: Month) -> np.ndarray:
        """Hours of a month that are there."""
        return self.hours[np.isin(self.hours, month.hours())]


def open_repository(path: Path, *, create: bool) -> icechunk.Repository | None:
    """Open the repository in a folder, or make it; None where it is not and shall not be.

    Raises:
        DataError: if something else stands there.
    """
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


def _commits(repository: icechunk.Repository) -> list[dict[str, Any]]:
    entries = [
        {
            **snapshot.metadata,
            "snapshot_id": snapshot.id,
            "written_at": snapshot.written_at.isoformat(),
            "message": snapshot.message,
        }
        for snapshot in repository.ancestry(branch=BRANCH)
        if "month" in snapshot.metadata
    ]
    return entries[::-1]


def newest_state(repository: icechunk.Repository, path: Path) -> ArchiveState | None:
    """Give the newest state of an open repository, or None for one without a month."""
    months = {entry["month"] for entry in _commits(repository)}
    if not months:
        return None
    return ArchiveState(str(path), repository.lookup_branch(BRANCH), tuple(sorted(months)))
