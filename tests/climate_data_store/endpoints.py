"""The service's endpoints: which call does what, and the faults that strike it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.climate_data_store.documents import form, job_document
from tests.climate_data_store.error_replies import ErrorReply
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.http_calls import Answer, Call, json_answer
from tests.climate_data_store.job_endpoints import (
    authenticate,
    delete_job,
    delete_jobs,
    get_file,
    head_file,
    list_jobs,
    show_job,
    show_receipt,
    show_results,
)
from tests.climate_data_store.selection import DATASETS, request_cost, select
from tests.climate_data_store.state import StoreState

__all__ = ["answer_call"]

_OBJECT_ERRORS = {
    403: ("AccessDenied", "Request has expired"),
    404: ("NoSuchKey", "The specified key does not exist."),
    503: ("SlowDown", "Please reduce your request rate."),
}
_HTML = b"<html><body>Welcome to the hotel network. Please sign in.</body></html>"


def answer_call(state: StoreState, call: Call) -> Answer | None:
    """Carry a call out and answer it; None closes the connection without a reply."""
    try:
        route, name = _find_route(call)
        return _with_faults(state, call, route, name)
    except ErrorReply as refusal:
        return _refused(refusal, call)


@dataclass(frozen=True)
class _Route:
    """An endpoint: method, address, what faults call it, and what it does."""

    method: str
    path: str
    where: str
    act: Callable[[StoreState, Call, str, list[Fault]], Answer]


def _with_faults(state: StoreState, call: Call, route: _Route, name: str) -> Answer | None:
    """Answer as the endpoint does, but for the faults that strike."""
    dataset, request = _subject(state, call, route, name)
    faults = state.take_faults(route.where, dataset, request)
    for fault in faults:
        details = fault.details
        if fault.kind == "cut":
            return None
        if fault.kind == "not_json":
            return Answer(200, _HTML, {"Content-Type": "text/html"})
        if fault.kind == "page":
            return Answer(details.get("code", 404), _HTML, {"Content-Type": "text/html"})
        if fault.kind == "status":
            code = details.get("code", 500)
            if route.where in ("file", "head"):
                return Answer(code, _object_error(code), {"Content-Type": "application/xml"})
            wait = details.get("retry_after", 1 if code == 429 else None)
            return _refused(
                ErrorReply(code, details.get("title"), details.get("detail"), retry_after=wait),
                call,
            )
    try:
        answer = route.act(state, call, name, faults)
    except ErrorReply as refusal:
        answer = _refused(refusal, call)
    for fault in faults:
        if fault.kind == "carried_out_then_cut":
            return None
        if fault.kind == "slow":
            state.stopping.wait(fault.details.get("seconds", 0.0))
    return answer


def _object_error(code: int) -> bytes:
    """Write an error as S3 does; source: its API reference, "Error responses"."""
    name, message = _OBJECT_ERRORS.get(code, ("InternalError", "We encountered an internal error."))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{name}</Code><Message>{message}</Message></Error>"
    ).encode()


def _refused(refusal: ErrorReply, call: Call) -> Answer:
    answer = json_answer(refusal.body(call.origin + call.path), refusal.code)
    answer.headers.update(refusal.headers)
    return answer


def _subject(
    state: StoreState, call: Call, route: _Route, name: str
) -> tuple[str | None, Mapping[str, Any]]:
    """Tell which dataset and request a call is about, as far as it is about any."""
    if route.where in ("process", "execution", "costing"):
        return name, call.inputs() if call.method == "POST" else {}
    job = state.queue.jobs.get(name)
    return (None, {}) if job is None else (job.dataset, job.request)


def _known_dataset(name: str) -> None:
    if name not in DATASETS:
        raise ErrorReply(404, "process not found", f"dataset {name} not found")


def _messages(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    return json_answer({"messages": []})


def _collection(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    _known_dataset(name)
    return json_answer({"id": name, "type": "Collection", "title": name, "links": []})


def _process(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    _known_dataset(name)
    return json_answer({"id": name, "title": name, "version": "1.0.0", "links": []})


def _processes(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    return json_answer({"processes": [{"id": name} for name in DATASETS], "links": []})


def _execution(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    _known_dataset(name)
    if not state.licence_accepted:
        raise ErrorReply(
            403,
            "required licences not accepted",
            "Not all the required licences have been accepted; please visit "
            f"{call.origin}/datasets/{name}?tab=download#manage-licences "
            "to accept the required licence(s).",
        )
    request = call.inputs()
    select(name, request, resolution=state.resolution)
    if request_cost(request, state.cost_weight) > state.cost_limit:
        raise ErrorReply(
            403, "cost limits exceeded",
            "Your request is too large, please reduce your selection.",
        )  # fmt: skip
    job = state.submit(name, request)
    url = f"{call.origin}/api/retrieve/v1/jobs"
    document = job_document(job, url=url, rel="monitor", status="accepted", request=True)
    document["links"] = document["links"][:1]
    return json_answer(document, 201, Location=f"{url}/{job.job_id}")


def _costing(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    _known_dataset(name)
    request = call.inputs()
    try:
        select(name, request, resolution=state.resolution)
        is_valid = True
    except ErrorReply:
        is_valid = False
    cost = request_cost(request, state.cost_weight)
    limit = float(state.cost_limit)
    return json_answer({"id": "size", "cost": cost, "limit": limit, "request_is_valid": is_valid})


def _constraints(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    _known_dataset(name)
    values = form(name)
    unknown = set(call.inputs()) - set(values) - {"area", "grid", "nocache"}
    if unknown:
        raise ErrorReply(422, "invalid parameter", f"invalid param: {sorted(unknown)}")
    return json_answer(values)


def _check_key(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    return json_answer({"id": 1, "sub": "test-user", "email": "user@example.org"})


def _accept_licence(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    state.licence_accepted = True
    return json_answer({"id": name, "revision": call.json().get("revision", 1)})


def _licences(state: StoreState, call: Call, name: str, faults: list[Fault]) -> Answer:
    authenticate(state, call)
    accepted = [{"id": "cc-by", "revision": 1}] if state.licence_accepted else []
    return json_answer({"licences": accepted})


_CATALOGUE, _RETRIEVE, _PROFILES = "/api/catalogue/v1", "/api/retrieve/v1", "/api/profiles/v1"
_NAME = r"([\w.-]+)"
_ROUTES = tuple(
    _Route(method, path, where, act)
    for method, path, where, act in (
        ("GET", f"{_CATALOGUE}/messages", "messages", _messages),
        ("GET", f"{_CATALOGUE}/collections/{_NAME}", "", _collection),
        ("GET", f"{_RETRIEVE}/processes", "", _processes),
        ("GET", f"{_RETRIEVE}/processes/{_NAME}", "process", _process),
        ("POST", f"{_RETRIEVE}/processes/{_NAME}/execution", "execution", _execution),
        ("POST", f"{_RETRIEVE}/processes/{_NAME}/costing", "costing", _costing),
        ("POST", f"{_RETRIEVE}/processes/{_NAME}/constraints", "", _constraints),
        ("GET", f"{_RETRIEVE}/jobs", "jobs", list_jobs),
        ("POST", f"{_RETRIEVE}/jobs/delete", "jobs", delete_jobs),
        ("DELETE", f"{_RETRIEVE}/jobs/{_NAME}", "jobs", delete_job),
        ("GET", f"{_RETRIEVE}/jobs/{_NAME}", "job", show_job),
        ("GET", f"{_RETRIEVE}/jobs/{_NAME}/results", "results", show_results),
        ("GET", f"{_RETRIEVE}/jobs/{_NAME}/receipt", "", show_receipt),
        ("POST", f"{_PROFILES}/account/verification/pat", "", _check_key),
        ("GET", f"{_PROFILES}/account/licences", "", _licences),
        ("PUT", f"{_PROFILES}/account/licences/{_NAME}", "", _accept_licence),
        ("HEAD", rf"/cache/{_NAME}/[\w.-]+", "head", head_file),
        ("GET", rf"/cache/{_NAME}/[\w.-]+", "file", get_file),
    )
)


def _find_route(call: Call) -> tuple[_Route, str]:
    """Find the endpoint of a call, and the dataset or job that its address names."""
    for route in _ROUTES:
        match = re.fullmatch(route.path, call.path)
        if match is not None and route.method == call.method:
            return route, match[1] if match.re.groups else ""
    raise ErrorReply(404, "not found", f"no such address: {call.method} {call.path}")
