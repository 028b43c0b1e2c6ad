"""Replies of odd form, links where the key may not go, and jobs that are not ours."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests

from pipelines.sources.cds.credentials import read_credentials
from pipelines.sources.cds.guarded_session import GuardedSession
from pipelines.sources.cds.request import CdsRequest
from pipelines.sources.cds.service import Service
from pipelines.sources.cds.service_errors import JobGone, Refused, Unreachable
from tests.climate_data_store import endpoints
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.http_calls import json_answer
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import FEBRUARY, QUICK

OpenStore = Callable[..., ClimateDataStore]
REQUEST = CdsRequest(FEBRUARY, "surface", ("2m_temperature",), (), (1,), (0,), None, "grib")


def service() -> Service:
    return Service(read_credentials(), QUICK)


def submitted(count: int) -> tuple[Service, list[str]]:
    ours = service()
    body = REQUEST.body()
    jobs = [ours.submit(REQUEST.dataset, {**body, "nocache": str(i)}) for i in range(count)]
    return ours, jobs


@pytest.mark.parametrize("reply", [[], {"jobs": None}, {"jobs": [{}]}, {"links": None}, "busy"])
def test_a_listing_of_odd_form_is_asked_for_again(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, reply: object
) -> None:
    open_store()
    ours = service()
    monkeypatch.setattr(endpoints, "_with_faults", lambda *_: json_answer(reply))
    with pytest.raises(Unreachable, match="a reply that is not the service's"):
        list(ours.jobs_since(datetime.now(UTC)))
    with pytest.raises(Unreachable, match="a reply that is not the service's"):
        ours.costs(REQUEST)


def test_a_link_to_plain_http_does_not_get_the_key(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    monkeypatch.setattr(type(store._server), "origin", "http://cds.example")
    ours, (job,) = submitted(1)
    assert job in store.jobs
    remote = ours._client.get_remote(job)  # its link leads away
    with pytest.raises(Refused, match="led to http://cds.example/.* unencrypted") as error:
        ours._call(lambda: remote.status, "")
    assert store.key not in str(error.value)


def test_a_redirect_to_another_host_does_not_get_the_key() -> None:
    session = GuardedSession()
    response = requests.Response()
    response.request = requests.Request("GET", "https://cds.example/api").prepare()
    for place, goes_along in (("https://cds.example/b", True), ("https://else.example/", False)):
        after = requests.Request("GET", place, headers={"PRIVATE-TOKEN": "secret"}).prepare()
        session.rebuild_auth(after, response)
        assert ("PRIVATE-TOKEN" in after.headers) == goes_along


def test_jobs_of_long_ago_are_not_paged_through(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    ours, jobs = submitted(5)
    monkeypatch.setattr("pipelines.sources.cds.service._PAGE", 2)
    assert list(ours.jobs_since(datetime.now(UTC))) == jobs[::-1]
    before = len(store.calls)
    assert list(ours.jobs_since(datetime.now(UTC) + timedelta(days=2))) == []
    assert len(store.calls) == before + 1


def test_a_job_is_asked_for_its_request_once(open_store: OpenStore) -> None:
    store = open_store()
    ours, (job,) = submitted(1)
    assert ours.request_of(job)["nocache"] == "0"
    before = len(store.calls)
    assert ours.request_of(job)["nocache"] == "0"
    assert len(store.calls) == before


def test_a_job_of_another_account_is_gone(open_store: OpenStore) -> None:
    open_store(faults=[Fault("job", "status", times=None, code=403, title="permission denied")])
    ours, (job,) = submitted(1)
    with pytest.raises(JobGone, match="not shown to this account: permission denied"):
        ours.status(job)


def test_a_job_that_runs_again_is_not_waited_for_without_end(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    open_store(job_seconds=60)
    ours, (job,) = submitted(1)
    with pytest.raises(Unreachable, match="runs again"):
        ours.download(job, tmp_path / "file")


def test_a_long_message_is_cut_after_the_key_is_taken_out(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    ours = service()
    told = ours._told(ValueError("x" * 295 + store.key))
    assert store.key[:4] not in told
