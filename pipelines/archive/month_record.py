"""What is kept about a month beside its fields: the metadata of the commit that wrote it."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

import met2net
from pipelines.archive.change import MonthChange
from pipelines.archive.contents import ArchiveContents
from pipelines.archive.plan import MonthPlan
from pipelines.archive.shared_fields import SharedFields
from pipelines.archive.usual_means import month_means
from pipelines.fields.verify_month import HourlyContent
from pipelines.fingerprint import counted_fields, fingerprint
from pipelines.period import Month
from pipelines.sources.source import Source

__all__ = ["content_name", "month_number", "month_record"]


def month_record(
    month: Month,
    plan: MonthPlan,
    *,
    source: Source,
    settings: Mapping[str, Any],
    step_hours: int,
    manifest: Mapping[str, Any],
    shared: SharedFields | None,
    contents: Mapping[str, HourlyContent],
    expver: np.ndarray,
    change: MonthChange | None,
) -> dict[str, Any]:
    """Put a month's record together, as plain JSON values.

    Args:
        month: the calendar month.
        plan: what was done, and its hours.
        source: where it comes from.
        settings: that the archive is made with.
        step_hours: its time step [h].
        manifest: of what was fetched.
        shared: what was not, but copied; None for nothing.
        contents: variable, or `variable@level`, -> what its hours hold.
        expver: experiment version of each hour.
        change: against the hours that were there before.
    """
    record: dict[str, Any] = {
        "month": str(month),
        "action": "replace" if plan.action == "none" else plan.action,
        "source": source.name,
        "source_settings": fingerprint(counted_fields(source)),
        "files": _files(manifest),
        "content": content_name(manifest, shared),
        "values": {key: content.sha256 for key, content in contents.items()},
        "means": month_means(contents),
        "settings": fingerprint(dict(settings)),
        "code_version": met2net.__version__,
        "first_hour": str(plan.hours[0]),
        "last_hour": str(plan.hours[-1]),
        "is_partial": len(plan.hours) < len(month.hours(step_hours)),
        "expver": dict(sorted(Counter(expver.tolist()).items())),
        "largest_change": None if change is None else change.largest,
        "changed_hours": None if change is None else change.hours,
        "committed_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if shared is not None:
        record["files"] = [*shared.record["files"], *record["files"]]
        record["copied"] = {
            "fields": {name: list(levels) for name, levels in shared.fields.items()},
            "archive": shared.path,
            "snapshot": shared.snapshot_id,
        }
    return record


def content_name(manifest: Mapping[str, Any], shared: SharedFields | None) -> str:
    """Name what a month was made of: files' contents, or what identifies a simulation."""
    hashes = sorted(str(file["sha256"]) for file in manifest.get("files", []))
    fetched = fingerprint(hashes if hashes else manifest)
    return fetched if shared is None else fingerprint([shared.record["content"], fetched])


def month_number(archived: ArchiveContents, plan: MonthPlan) -> int:
    """Count the months before this one in the archive."""
    if len(archived.hours) == 0:
        return 0
    first, month = (
        hour.astype("datetime64[M]").astype(int) for hour in (archived.hours[0], plan.hours[0])
    )
    return max(int(month - first), 0)


def _files(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Keep what tells a file apart."""
    keys = ("name", "size", "sha256")
    return [{key: file.get(key) for key in keys} for file in manifest.get("files", [])]
