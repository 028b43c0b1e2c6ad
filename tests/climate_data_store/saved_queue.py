"""Jobs in a file, so that they outlive the server."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tests.climate_data_store.jobs import Archive, Job, Queue

__all__ = ["load_queue", "save_queue"]

_KEPT = (
    "dataset", "request", "created", "seconds", "job_id", "status", "outcome", "message",
    "is_cached", "is_cacheable", "is_expired", "is_struck", "started", "finished",
)  # fmt: skip


def save_queue(queue: Queue, submissions: list[tuple[str, dict[str, Any]]], path: Path) -> None:
    """Write jobs, cached results and submissions; a reader sees the old or the new file."""
    with queue.lock:
        content = {
            "jobs": [
                {**{name: getattr(job, name) for name in _KEPT}, "archive": _texts(job.archive)}
                for job in queue.jobs.values()
            ],
            "results": {key: _texts(archive) for key, archive in queue.results.items()},
            "submissions": submissions,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content))
        os.replace(part, path)


def load_queue(queue: Queue, submissions: list[tuple[str, dict[str, Any]]], path: Path) -> None:
    """Read what `save_queue` wrote, if it did; running jobs go on as if nothing had been."""
    if not path.exists():
        return
    content = json.loads(path.read_text())
    for job in content["jobs"]:
        archive = _archive(job.pop("archive"))
        queue.jobs[job["job_id"]] = Job(**job, archive=archive)
    for key, archive in content["results"].items():
        queue.results[key] = _archive(archive)
    submissions.extend((dataset, request) for dataset, request in content["submissions"])


def _texts(archive: Archive) -> list[str | None]:
    hours = (archive.newest_hour, archive.final_until)
    return [None if hour is None else str(hour) for hour in hours]


def _archive(texts: list[str | None]) -> Archive:
    return Archive(*(None if text is None else np.datetime64(text, "h") for text in texts))
