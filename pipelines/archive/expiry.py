"""Let old snapshots of an archive expire by rule, and free the storage that only they used."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk

from pipelines.archive.state import existing_repository
from pipelines.archive.storage import BRANCH, S3Settings, writing

__all__ = ["ExpiredSnapshot", "Expiry", "ExpiryRule", "expire_snapshots", "expiring_snapshots"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExpiryRule:
    """Which snapshots stay: those that either limit keeps, and always the newest.

    Attributes:
        keep_days: snapshots written within so many days stay.
        keep_newest: so many of the newest stay.

    Raises:
        ValueError: if neither is given, or one is not positive.
    """

    keep_days: float | None = None
    keep_newest: int | None = None

    def __post_init__(self) -> None:
        """Check that the rule says something."""
        if self.keep_days is None and self.keep_newest is None:
            raise ValueError("neither keep_days nor keep_newest is given; expected at least one")
        if self.keep_days is not None and not self.keep_days > 0:
            raise ValueError(f"keep_days is {self.keep_days}; expected more than 0")
        if self.keep_newest is not None and self.keep_newest < 1:
            raise ValueError(f"keep_newest is {self.keep_newest}; expected at least 1")


@dataclass(frozen=True)
class ExpiredSnapshot:
    """A state that can be opened no longer.

    Attributes:
        snapshot_id: Icechunk's name of it.
        month: month that its commit wrote.
        written_at: when.
    """

    snapshot_id: str
    month: str
    written_at: datetime


@dataclass(frozen=True)
class Expiry:
    """What an expiry removed.

    Attributes:
        snapshots: the states, oldest first.
        num_chunks: chunks of fields deleted, of these and of writers that were stopped.
        num_bytes: storage freed.
    """

    snapshots: tuple[ExpiredSnapshot, ...]
    num_chunks: int
    num_bytes: int


def expiring_snapshots(
    path: str | Path, rule: ExpiryRule, *, now: datetime | None = None, s3: S3Settings | None = None
) -> tuple[ExpiredSnapshot, ...]:
    """List the snapshots that a rule would remove, oldest first; changes nothing.

    Raises:
        DataError: if there is no archive.
    """
    snapshots = _newest_first(existing_repository(path, s3=s3))
    return _expired(snapshots, _cutoff(snapshots, rule, now or datetime.now(UTC)))


def expire_snapshots(
    path: str | Path, rule: ExpiryRule, *, now: datetime | None = None, s3: S3Settings | None = None
) -> Expiry:
    """Remove the snapshots that a rule does not keep, and what only they used.

    The newest state and the records of all its months stay as they are. A training set that
    was built from a removed snapshot remains; building from it again is refused by name.

    Args:
        path: the archive's folder, or `s3://bucket/prefix` as text.
        rule: which snapshots stay.
        now: the moment that days are counted from; by default the present.
        s3: how to reach object storage; None as the environment says.

    Raises:
        DataError: if there is no archive, or another process is writing to it.
    """
    existing_repository(path, s3=s3)
    with writing(path, s3=s3) as repository:
        snapshots = _newest_first(repository)
        cutoff = _cutoff(snapshots, rule, now or datetime.now(UTC))
        expired = _expired(snapshots, cutoff)
        for snapshot in expired:
            _log.info("%s expires: %s, %s", path, snapshot.snapshot_id, snapshot.month)
        if expired:
            repository.expire_snapshots(cutoff)
        # Whatever an expired snapshot used was written before the cutoff. So was what a writer
        # of an object store has not committed yet, if it began on an older snapshot: its commit
        # is refused, and it starts anew. Also clears what an interrupted expiry left.
        summary = repository.garbage_collect(cutoff)
    _log.info(
        "%s: %d snapshots expired, %d chunks deleted, %d bytes freed",
        path, len(expired), summary.chunks_deleted, summary.bytes_deleted,
    )  # fmt: skip
    return Expiry(expired, summary.chunks_deleted, summary.bytes_deleted)


def _newest_first(repository: icechunk.Repository) -> list[icechunk.SnapshotInfo]:
    """Give the snapshots of months, without the empty one that a repository starts with."""
    return [s for s in repository.ancestry(branch=BRANCH) if s.parent_id is not None]


def _cutoff(snapshots: list[icechunk.SnapshotInfo], rule: ExpiryRule, now: datetime) -> datetime:
    """Give the moment before which snapshots expire."""
    newest = snapshots[: rule.keep_newest or 1]
    cutoff = newest[-1].written_at
    if rule.keep_days is not None:
        cutoff = min(cutoff, now - timedelta(days=rule.keep_days))
    return cutoff


def _expired(
    snapshots: list[icechunk.SnapshotInfo], cutoff: datetime
) -> tuple[ExpiredSnapshot, ...]:
    return tuple(
        ExpiredSnapshot(s.id, s.metadata["month"], s.written_at)
        for s in reversed(snapshots)
        if s.written_at < cutoff
    )
