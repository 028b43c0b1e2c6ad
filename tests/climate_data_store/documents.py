"""The service's JSON documents about jobs, results and forms."""

import datetime
import zlib
from typing import Any

from tests.climate_data_store.fields import ARCHIVED
from tests.climate_data_store.jobs import Job
from tests.climate_data_store.selection import DATASETS, LEVELS

__all__ = ["asset", "form", "job_document", "moment"]


def moment(seconds: float) -> str:
    """Write a Unix time as the service does, in UTC without a zone."""
    utc = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds")


def job_document(
    job: Job, *, url: str, rel: str, status: str, request: bool = False, log: bool = False,
    log_start: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Describe a job.

    Args:
        job: the job.
        url: of the endpoint of jobs.
        rel: what the link to the job is called, `self` or `monitor`.
        status: as reported.
        request: True to tell the inputs.
        log: True to tell what happened after `log_start`.
        log_start: a moment.
    """
    link = f"{url}/{job.job_id}"
    links = [{"href": link, "rel": rel, "type": "application/json", "title": "job"}]
    if status in ("successful", "failed", "rejected"):
        links.append({"href": f"{link}/results", "rel": "results"})
    metadata: dict[str, Any] = {
        "origin": "api", "datasetMetadata": {"title": job.dataset, "messages": []}, "qos": {},
    }  # fmt: skip
    if request:
        metadata["request"] = {"ids": dict(job.request), "labels": {}}
    if log:
        metadata["log"] = [entry for entry in _log(job) if entry[0] > log_start]
    times = {"started": job.started, "finished": job.finished}
    return {
        "processID": job.dataset, "type": "process", "jobID": job.job_id, "status": status,
        "created": moment(job.created),
        **{name: moment(at) for name, at in times.items() if at is not None},
        "updated": moment(max(at for at in (job.created, *times.values()) if at is not None)),
        "links": links, "metadata": metadata,
    }  # fmt: skip


def _log(job: Job) -> list[list[str]]:
    entries = [[moment(job.created), "INFO Request has been accepted."]]
    if job.started is not None:
        entries.append([moment(job.started), "INFO Request is being processed."])
    if job.finished is not None and job.outcome == "successful":
        entries.append([moment(job.finished), "INFO The job has been successful."])
    return entries


def asset(href: str, *, content_type: str, size: int) -> dict[str, Any]:
    """Describe a result; the checksum is a token, as the service's, not of the content."""
    name = href.rpartition("/")[2]
    value = {
        "type": content_type, "href": href, "file:size": size,
        "file:checksum": f"{zlib.crc32(f'{name} {size}'.encode()):x}",
        "file:local_path": f"s3://cache/{name}",
    }  # fmt: skip
    return {"asset": {"value": value}}


def form(dataset: str) -> dict[str, list[str]]:
    """List the values that can be chosen; here they do not depend on what is chosen."""
    kind = DATASETS[dataset]
    values = {
        "product_type": ["reanalysis"],
        "variable": sorted(v.name for v in ARCHIVED if v.level_kind == kind),
        "year": [str(year) for year in range(1940, datetime.datetime.now().year + 1)],
        "month": [f"{month:02d}" for month in range(1, 13)],
        "day": [f"{day:02d}" for day in range(1, 32)],
        "time": [f"{hour:02d}:00" for hour in range(24)],
        "data_format": ["grib", "netcdf"],
        "download_format": ["unarchived", "zip"],
    }
    if kind == "pressure":
        values["pressure_level"] = [str(level) for level in LEVELS]
    return values
