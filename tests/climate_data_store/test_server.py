"""The protocol: jobs, slots, refusals and files, through the unmodified client."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests

from pipelines.formats.decode import decode
from tests.climate_data_store.requests_to_store import PRESSURE, SINGLE, client, request
from tests.climate_data_store.server import ClimateDataStore


@pytest.fixture
def store():
    with ClimateDataStore() as store:
        yield store


def retrieve(store, path, *, dataset=SINGLE, **changes):
    client(store).retrieve(dataset, request(**changes), str(path))
    return decode(path).load()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"day": ["01", "01"]}, "duplicate values"),
        ({"variable": ["10m_wind_speed"]}, "invalid value for variable"),
        ({"variable": []}, "missing mandatory key: variable"),
        ({"data_format": "netcdf_legacy"}, "invalid value for data_format"),
        ({"day": "31"}, "no day that exists"),
        ({"day": "32"}, "invalid date"),
        ({"time": "noon"}, "invalid value for time"),
        ({"time": "24:00"}, "invalid value for time"),
        ({"area": [1, 2, 3, 4]}, "invalid value for area"),
        ({"area": "europe"}, "invalid value for area"),
    ],
)
def test_an_invalid_request_is_refused_at_once(store, changes, message):
    with pytest.raises(requests.HTTPError, match=f"400 Client Error.*\n.*\n.*{message}"):
        client(store).retrieve(SINGLE, request(**changes))
    assert store.submissions == [] and not store.jobs


@pytest.mark.parametrize("level", ["surface", "501"])
def test_an_unknown_level_is_refused(store, level):
    with pytest.raises(requests.HTTPError, match="invalid value for pressure_level"):
        inputs = request(variable="temperature", pressure_level=level)
        client(store).retrieve(PRESSURE, inputs)


def test_refusals_are_in_the_services_words(store):
    with pytest.raises(requests.HTTPError, match="404 .*\nprocess not found\n"):
        client(store).retrieve("reanalysis-era5-lakes", request())
    wrong = client(store)
    wrong.client.key = "other"
    with pytest.raises(requests.HTTPError, match="401 .*\noperation not allowed\n"):
        wrong.retrieve(SINGLE, request())
    url = f"{store.url}/retrieve/v1/jobs"
    assert requests.get(url, timeout=5).json()["detail"] == "authentication required"
    assert requests.get(f"{store.url}//retrieve/v1/jobs", timeout=5).status_code == 404
    assert requests.post(
        f"{store.url}/retrieve/v1/processes/{SINGLE}/costing", data="x", timeout=5
    ).status_code == 422  # fmt: skip


def test_the_licence_has_to_be_accepted_first(tmp_path):
    with ClimateDataStore(licence_accepted=False) as store:
        page = f"datasets/{SINGLE}.tab=download#manage-licences"
        with pytest.raises(
            requests.HTTPError, match=f"403 (.|\n)*licences not accepted(.|\n)*{page}"
        ):
            client(store).retrieve(SINGLE, request())
        assert client(store).client.get_accepted_licences() == []
        client(store).client.accept_licence("cc-by", 1)
        retrieve(store, tmp_path / "x")
    with ClimateDataStore(licence_accepted=False) as store:
        store.accept_licence()
        retrieve(store, tmp_path / "x")


def test_cost_is_counted_by_format_and_limited():
    with ClimateDataStore(cost_limit=500) as store:
        estimate = client(store).client.estimate_costs
        assert estimate(SINGLE, request()) == {
            "id": "size", "cost": 96.0, "limit": 500.0, "request_is_valid": True,
        }  # fmt: skip
        costly = request(data_format="netcdf")
        assert estimate(SINGLE, costly)["cost"] == 576.0
        assert estimate(SINGLE, request(date="2020-02-01/2020-02-03"))["cost"] == 288.0
        with pytest.raises(requests.HTTPError, match="403 .*\ncost limits exceeded\n.*too large"):
            client(store).retrieve(SINGLE, costly)
        assert not store.submissions


def test_constraints_list_what_can_be_chosen(store):
    values = client(store).client.apply_constraints(PRESSURE, {"variable": ["temperature"]})
    assert len(values["pressure_level"]) == 37 and "temperature" in values["variable"]
    with pytest.raises(requests.HTTPError, match="422 .*\ninvalid parameter"):
        client(store).client.apply_constraints(PRESSURE, {"colour": ["red"]})


def submit_five(store):
    api = client(store).client
    return [api.submit(SINGLE, request(day=f"{day:02d}")) for day in range(1, 6)]


def test_jobs_wait_for_a_slot():
    with ClimateDataStore(slots=2, job_seconds=600) as store:
        remotes = submit_five(store)
        assert [r.status for r in remotes] == 2 * ["running"] + 3 * ["accepted"]
        remotes[0].delete()
        assert [r.status for r in remotes[1:]] == 2 * ["running"] + 2 * ["accepted"]


def test_a_slot_is_passed_on_when_it_becomes_free_whenever_anybody_looks():
    with ClimateDataStore(slots=2, job_seconds=0.4) as store:
        for remote in submit_five(store):
            while not remote.results_ready:
                time.sleep(0.02)
        jobs = list(store.jobs.values())
    freed = [0.0, 0.0, *(job.finished for job in jobs[:3])]
    assert [job.started for job in jobs] == [
        max(job.created, at) for job, at in zip(jobs, freed, strict=True)
    ]
    assert np.allclose([job.finished - job.started for job in jobs], 0.4)


def test_jobs_are_listed_in_pages_and_found_again(store):
    api = client(store).client
    ids = [api.submit(SINGLE, request(day=f"{d:02d}")).request_id for d in range(1, 6)]
    page = api.get_jobs(limit=2, sortby="-created", status=["accepted", "successful"])
    assert page.request_ids == ids[:-3:-1]
    assert page.next.request_ids == ids[2:0:-1]
    assert page.next.next.request_ids == ids[:1] and page.next.next.next is None
    assert page.next.prev.request_ids == page.request_ids
    assert api.get_jobs(limit=10, sortby="created").request_ids == ids
    assert api.get_jobs(limit=10, status=["failed"]).request_ids == []
    remote = api.get_remote(ids[1])
    assert remote.request == request(day="02") and remote.status == "successful"
    assert remote.collection_id == SINGLE and remote.finished_at >= remote.created_at
    assert "metadata" in remote.json and "request" not in page.json["jobs"][0]["metadata"]


def test_a_deleted_job_is_unknown(store):
    api = client(store).client
    one, two, three = (api.submit(SINGLE, request(day=f"{d:02d}")) for d in (1, 2, 3))
    assert one.delete()["status"] == "dismissed"
    api.delete(two.request_id)
    store.delete_job(three.request_id)
    for remote in (one, two, three):
        with pytest.raises(requests.HTTPError, match="404 .*\njob not found"):
            remote.status  # noqa: B018
    assert len(store.submissions) == 3 and not store.jobs


def test_expired_results_stay_so_until_the_request_is_submitted_again(store, tmp_path):
    remote = client(store).client.submit(SINGLE, request())
    remote.download(str(tmp_path / "x"))
    store.expire_results(remote.request_id)
    for _ in range(2):
        with pytest.raises(requests.HTTPError, match="404 .*\nresults expired"):
            remote.download(str(tmp_path / "y"))
    retrieve(store, tmp_path / "y")
    assert [job.is_cached for job in store.jobs.values()] == [False, False]


def test_results_are_not_ready_while_a_job_runs():
    with ClimateDataStore(job_seconds=60) as store:
        remote = client(store).client.submit(SINGLE, request())
        with pytest.raises(requests.HTTPError, match="404 .*\njob results not ready"):
            remote._make_results(wait=False)


def test_the_file_is_served_in_ranges_without_a_key(store):
    remote = client(store).client.submit(SINGLE, request(day="28", time="00:00"))
    url = remote.get_results().location
    head, whole = requests.head(url, timeout=5), requests.get(url, timeout=5).content
    assert head.headers["Accept-Ranges"] == "bytes"
    assert int(head.headers["Content-Length"]) == len(whole)
    tag = head.headers["ETag"]
    for text, expected in (("0-9", whole[:10]), ("100-", whole[100:]), ("5-9999999", whole[5:])):
        headers = {"Range": f"bytes={text}", "If-Range": tag}
        part = requests.get(url, headers=headers, timeout=5)
        assert (part.status_code, part.content) == (206, expected)
    stale = requests.get(url, headers={"Range": "bytes=5-", "If-Range": '"x"'}, timeout=5)
    assert (stale.status_code, stale.content) == (200, whole)
    behind = requests.get(url, headers={"Range": "bytes=999999-"}, timeout=5)
    assert behind.status_code == 416


def test_jobs_outlive_the_server(tmp_path):
    folder, until = tmp_path / "state", np.datetime64("2020-02-29T05", "h")
    with ClimateDataStore(state_folder=folder, final_until=until) as store:
        job_id = client(store).client.submit(SINGLE, request()).request_id
        remote = client(store).client.get_remote(job_id)
        remote.download(str(tmp_path / "x"))
        other = client(store).client.submit(SINGLE, request(nocache="1")).request_id
        store.expire_results(other)
    with ClimateDataStore(state_folder=folder) as store:
        assert list(store.jobs) == [job_id, other] and len(store.submissions) == 2
        client(store).client.get_remote(job_id).download(str(tmp_path / "y"))
        with pytest.raises(requests.HTTPError, match="results expired"):
            client(store).client.get_remote(other).download(str(tmp_path / "z"))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_a_failure_of_the_store_itself_is_told_at_the_end(monkeypatch):
    def broken(state, call):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("tests.climate_data_store.server.answer_call", broken)
    with pytest.raises(RuntimeError, match="planted"):
        with ClimateDataStore() as store:
            with pytest.raises(requests.ConnectionError):
                requests.get(store.url, timeout=5)


def test_an_unknown_form_of_the_release_is_refused():
    with pytest.raises(ValueError, match="expver_form='hourly'"):
        ClimateDataStore(expver_form="hourly")


def test_it_can_be_served_by_hand(tmp_path):
    command = [sys.executable, "-m", "tests.climate_data_store", "--job-seconds", "0.1"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        url, key = (process.stdout.readline().split(maxsplit=1)[1].strip() for _ in range(2))
        reply = requests.post(
            f"{url}/profiles/v1/account/verification/pat",
            headers={"PRIVATE-TOKEN": key}, timeout=5,
        )  # fmt: skip
        assert reply.status_code == 200
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == 0
