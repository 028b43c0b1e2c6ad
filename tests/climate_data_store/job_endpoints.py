"""The endpoints of jobs: list, status, deletion, results and the file."""

from tests.climate_data_store.documents import asset, job_document
from tests.climate_data_store.error_replies import ErrorReply
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.http_calls import Answer, Call, json_answer
from tests.climate_data_store.jobs import Job
from tests.climate_data_store.state import StoreState
from tests.climate_data_store.transfer import describe, transfer

__all__ = [
    "authenticate", "delete_job", "delete_jobs", "get_file", "head_file", "list_jobs", "show_job",
    "show_receipt", "show_results",
]  # fmt: skip

_CONTENT_TYPES = {b"GRIB": "application/x-grib", b"PK\x03\x04": "application/zip"}
_SUFFIXES = {"application/x-grib": "grib", "application/zip": "zip", "application/netcdf": "nc"}


def authenticate(state: StoreState, call: Call) -> None:
    """Refuse a call without the right key."""
    key = call.headers.get("private-token")
    if key is None:
        raise ErrorReply(401, "operation not allowed", "authentication required")
    if key != state.key:
        raise ErrorReply(401, "operation not allowed", "authentication failed")


def list_jobs(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    """List a page of jobs."""
    authenticate(state, call)
    state.queue.advance()
    wanted = call.query.get("status", [])
    jobs = [j for j in list(state.queue.jobs.values()) if not wanted or j.status in wanted]
    jobs.sort(key=lambda j: j.created, reverse=call.parameter("sortby", "-created")[0] == "-")
    limit = int(call.parameter("limit", "10"))
    cursor = int(call.parameter("cursor", "0"))
    url = call.origin + call.path
    kept = "".join(
        f"&{key}={value}" for key in ("sortby", "status") for value in call.query.get(key, [])
    )
    links = [{"rel": "self", "href": url}]
    for rel, at in (("next", cursor + limit), ("prev", cursor - limit)):
        if 0 <= at < len(jobs):
            links.append({"rel": rel, "href": f"{url}?limit={limit}&cursor={at}{kept}"})
    page = jobs[cursor : cursor + limit]
    documents = [job_document(j, url=url, rel="self", status=j.status) for j in page]
    return json_answer({"jobs": documents, "links": links})


def show_job(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    job = state.find_job(name)
    document = job_document(
        job,
        url=call.origin + call.path.rpartition("/")[0],
        rel="self",
        status=job.status,
        request=call.parameter("request").lower() == "true",
        log=call.parameter("log").lower() == "true",
        log_start=call.parameter("logStartTime"),
    )
    return json_answer(document)


def delete_job(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    job = state.delete(name)
    url = call.origin + call.path.rpartition("/")[0]
    return json_answer(job_document(job, url=url, rel="self", status="dismissed"))


def delete_jobs(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    url = call.origin + call.path.rpartition("/")[0]
    jobs = [state.delete(job_id) for job_id in call.json().get("job_ids", [])]
    return json_answer(
        {
            "jobs": [job_document(j, url=url, rel="self", status="dismissed") for j in jobs],
            "links": [],
        }
    )


def show_results(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    job = state.find_job(name)
    if job.status in ("failed", "rejected"):
        raise ErrorReply(
            400, f"The job has {'failed' if job.status == 'failed' else 'been rejected'}",
            "", kind="job results failed", traceback=job.message,
        )  # fmt: skip
    if job.status != "successful":
        detail = f"job {name} results not ready, status: {job.status}"
        raise ErrorReply(404, "job results not ready", detail)
    if any(fault.kind == "expired" for fault in faults):
        state.expire(name)
    _check_not_expired(job)
    state.prepare_file(job)
    content = state.file_of(job)
    size = len(content)
    fault = job.content_fault
    if fault is not None and fault.kind == "trailing" and not fault.details.get("consistent", True):
        size -= 100
    for fault in faults:
        if fault.kind == "wrong_size":
            size += fault.details.get("extra", 1000)
    content_type = _content_type(content)
    href = f"{call.origin}/cache/{name}/{name}.{_SUFFIXES[content_type]}"
    return json_answer(asset(href, content_type=content_type, size=size))


def _check_not_expired(job: Job) -> None:
    if job.is_expired:
        raise ErrorReply(404, "results expired", f"results of job {job.job_id} expired")


def show_receipt(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    job = state.find_job(name)
    return json_answer({"request_uid": job.job_id, "request": {"ids": dict(job.request)}})


def head_file(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    job = state.find_job(name)
    _check_not_expired(job)
    # An object that will have changed when the transfer goes on is another one until then.
    changes = state.has_fault("file", "changed", job)
    content = state.other_file_of(job) if changes else state.file_of(job)
    ranges = not state.has_fault("file", "no_ranges", job)
    return describe(content, content_type=_content_type(content), ranges=ranges)


def get_file(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    job = state.find_job(name)
    _check_not_expired(job)
    content = state.file_of(job)
    if any(fault.kind == "changed" for fault in faults):
        content = state.other_file_of(job)
    job.content_was_sent = True
    return transfer(
        call, content, content_type=_content_type(content),
        faults=[(fault, fault.struck) for fault in faults],
    )  # fmt: skip


def _content_type(content: bytes) -> str:
    return _CONTENT_TYPES.get(content[:4], "application/netcdf")
