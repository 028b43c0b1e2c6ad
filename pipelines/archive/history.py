"""The history of an archive as a table for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.state import existing_repository, history
from pipelines.archive.storage import S3Settings

__all__ = ["HISTORY_COLUMNS", "describe_expver", "history_table"]

HISTORY_COLUMNS = ("month", "snapshot", "source", "expver", "when", "action", "largest change")
"""Columns of the table, in order."""

_VERSIONS = {"0001": "final", "0005": "preliminary"}


def history_table(path: str | Path, *, s3: S3Settings | None = None) -> list[dict[str, str]]:
    """List what was done to an archive, oldest first, as texts under `HISTORY_COLUMNS`.

    A month whose commit has expired is told by its record; its snapshot is `expired`.

    Raises:
        DataError: if there is no archive.
    """
    contents = ArchiveContents.read(existing_repository(path, s3=s3))
    commits = history(path, s3=s3)
    kept = {(entry["month"], entry["committed_at"]) for entry in commits}
    expired = [
        {**record, "snapshot_id": "expired"}
        for month, record in sorted(contents.records.items())
        if (month, record["committed_at"]) not in kept
    ]
    return [_row(entry) for entry in [*expired, *commits]]


def describe_expver(hours: Mapping[str, int]) -> str:
    """Say which versions a month's hours have: `final`, `preliminary`, or mixed with counts."""
    names = {_VERSIONS.get(version, version): count for version, count in sorted(hours.items())}
    if len(names) == 1:
        return next(iter(names))
    return f"mixed ({', '.join(f'{count} {name}' for name, count in names.items())})"


def _row(entry: Mapping[str, Any]) -> dict[str, str]:
    changes = entry["largest_change"] or {}
    largest = ", ".join(f"{name} {value:g}" for name, value in changes.items() if value)
    if entry["changed_hours"]:
        largest += f" ({entry['changed_hours']} hours)"
    texts = (
        entry["month"], entry["snapshot_id"], entry["source"], describe_expver(entry["expver"]),
        entry["committed_at"], entry["action"], largest.strip(),
    )  # fmt: skip
    return dict(zip(HISTORY_COLUMNS, texts, strict=True))
