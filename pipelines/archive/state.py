"""The archive: months of verified fields in an Icechunk repository, one commit a month.

Inside is a CF dataset in Zarr v3: `name(time[, level], latitude, longitude)` float32 in
physical units and `expver(time)`. This module reads it; `pipelines.archive.ingest` and
`pipelines.archive.reconcile` write it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import xarray as xr

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.own_variables import learn_variables
from pipelines.archive.storage import BRANCH, S3Settings, open_repository
from pipelines.errors import DataError

__all__ = [
    "ArchiveState",
    "current_state",
    "existing_repository",
    "history",
    "open_archive",
    "open_snapshot",
    "state_of",
]


@dataclass(frozen=True)
class ArchiveState:
    """One state of an archive: enough to open exactly these data again.

    Attributes:
        path: the archive's folder, or `s3://bucket/prefix`.
        snapshot_id: Icechunk's name of the state.
        months: months it holds, as `2016-01`, in order.
        s3: how to reach object storage; None as the environment says.
    """

    path: str
    snapshot_id: str
    months: tuple[str, ...]
    s3: S3Settings | None = None

    def open(self) -> xr.Dataset:
        """Open these data lazily.

        Raises:
            DataError: if they are there no longer.
        """
        return open_archive(self.path, self.snapshot_id, s3=self.s3)


def current_state(path: str | Path, *, s3: S3Settings | None = None) -> ArchiveState | None:
    """Give the newest state of an archive, or None where there is none yet."""
    repository = open_repository(path, create=False, s3=s3)
    return None if repository is None else state_of(repository, path, s3=s3)


def open_archive(
    path: str | Path, snapshot_id: str | None = None, *, s3: S3Settings | None = None
) -> xr.Dataset:
    """Open an archive lazily, at its newest or a named state.

    Args:
        path: a folder, or `s3://bucket/prefix` as text.
        snapshot_id: the state; None for the newest.
        s3: how to reach object storage; None as the environment says.

    Raises:
        DataError: if there is no archive, no month in it, or no such state (any more).
    """
    return open_snapshot(existing_repository(path, s3=s3), path, snapshot_id)


def existing_repository(path: str | Path, *, s3: S3Settings | None = None) -> icechunk.Repository:
    """Open the repository of an archive that has a month.

    Raises:
        DataError: if there is none.
    """
    repository = open_repository(path, create=False, s3=s3)
    if repository is None or _is_empty(repository):
        raise DataError(f"found no archive at {path}; expected one with at least one month")
    return repository


def open_snapshot(
    repository: icechunk.Repository, path: str | Path, snapshot_id: str | None
) -> xr.Dataset:
    """Open the newest or a named state of an open repository lazily.

    Raises:
        DataError: if there is no such state (any more).
    """
    try:
        if snapshot_id is None:
            session = repository.readonly_session(BRANCH)
        else:
            session = repository.readonly_session(snapshot_id=snapshot_id)
    except icechunk.IcechunkError as error:
        known = ", ".join(entry["snapshot_id"] for entry in _commits(repository)[-3:])
        raise DataError(
            f"archive {path} has no snapshot {snapshot_id!r}; the newest are: {known} (older "
            "ones go when they expire by rule)"
        ) from error
    dataset: xr.Dataset = xr.open_zarr(session.store, consolidated=False)
    learn_variables(json.loads(dataset.attrs.get("settings", "{}")))
    return dataset


def history(path: str | Path, *, s3: S3Settings | None = None) -> list[dict[str, Any]]:
    """List an archive's commits, oldest first; those that have expired are left out.

    Every entry has `snapshot_id`, `written_at`, `message` and the commit's metadata: `month`,
    `action` (append, extend or replace), `source`, `files`, `content`, `source_settings`,
    `settings`, `code_version`, `first_hour`, `last_hour`, `is_partial`, `expver` (hours of each
    version), `changed_hours` and `largest_change` (a variable, among hours held before).
    """
    repository = open_repository(path, create=False, s3=s3)
    return [] if repository is None else _commits(repository)


def state_of(
    repository: icechunk.Repository, path: str | Path, *, s3: S3Settings | None = None
) -> ArchiveState | None:
    """Give the newest state of an open repository, or None for one without a month."""
    contents = ArchiveContents.read(repository)
    if not len(contents.hours):
        return None
    months = np.unique(contents.hours.astype("datetime64[M]")).astype(str)
    return ArchiveState(str(path), contents.snapshot_id, tuple(months.tolist()), s3)


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


def _is_empty(repository: icechunk.Repository) -> bool:
    """Tell whether the newest snapshot is the first, which is made before any month."""
    return next(iter(repository.ancestry(branch=BRANCH))).parent_id is None
