"""Faults of calls and jobs, as the unmodified client meets them."""

import pytest
import requests
from ecmwf.datastores.processing import DownloadError, ProcessingFailedError

from pipelines.formats.decode import decode
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.requests_to_store import (
    PRESSURE,
    SINGLE,
    client,
    fetch,
    good_file,
    request,
)
from tests.climate_data_store.server import ClimateDataStore

PLACES = ("process", "execution", "job", "results", "file")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x"


@pytest.mark.parametrize(
    ("where", "code"),
    [*((where, 503) for where in PLACES), *(("execution", code) for code in (429, 500, 502, 504))],
)
def test_a_passing_status_is_tried_again(path, where, code):
    store = fetch(path, Fault(where, "status", code=code, times=2))
    assert [status for _, _, status in store.calls].count(code) == 2
    assert len(store.submissions) == 1
    assert decode(path).sizes["time"] == 48


def test_a_refusal_carries_the_wait_and_the_words_asked_for():
    faults = [
        Fault("jobs", "status", code=429),
        Fault("jobs", "status", code=429, retry_after=7, detail="Slow down."),
        Fault("jobs", "status", code=503, title="maintenance"),
    ]
    with ClimateDataStore(faults=faults) as store:
        replies = [requests.get(f"{store.url}/retrieve/v1/jobs", timeout=5) for _ in range(3)]
    assert [r.headers.get("Retry-After") for r in replies] == ["1", "7", None]
    assert replies[0].json()["detail"] == "Rate limit exceeded. Please wait 1 seconds."
    assert replies[1].json()["detail"] == "Slow down."
    assert replies[2].json()["title"] == "maintenance"


@pytest.mark.parametrize("where", ["execution", "file"])
def test_a_status_for_ever_ends_the_retrieval(path, where):
    error = requests.HTTPError if where == "execution" else DownloadError
    with pytest.raises(error):
        fetch(path, Fault(where, "status", code=500, times=None))


@pytest.mark.parametrize("where", PLACES)
def test_a_cut_call_is_not_carried_out(path, where):
    store = fetch(path, Fault(where, "cut"))
    assert [status for _, _, status in store.calls].count(0) == 1
    assert len(store.submissions) == 1


def test_a_submission_that_is_carried_out_and_cut_leaves_an_orphan(path):
    store = fetch(path, Fault("execution", "carried_out_then_cut"))
    assert len(store.submissions) == len(store.jobs) == 2


def test_a_slow_submission_leaves_an_orphan_too(path):
    fault = Fault("execution", "slow", seconds=1.6)
    store = fetch(path, fault, settings={"timeout": 1.0})
    assert len(store.submissions) == 2


def test_a_page_of_html_is_not_json(path):
    with pytest.raises(requests.JSONDecodeError):
        fetch(path, Fault("execution", "not_json"))


def test_broken_messages_are_only_warned_about(path):
    with pytest.warns(UserWarning, match="internal server error|500 Server Error"):
        fetch(path, Fault("messages", "status", code=500, times=None))


def test_a_fault_keeps_to_its_dataset_month_and_count(path):
    faults = [
        Fault("execution", "status", code=400, dataset=PRESSURE, times=None),
        Fault("execution", "status", code=400, month="2020-03", times=None),
        Fault("execution", "status", code=400, after=2, times=1),
    ]
    with ClimateDataStore(faults=faults) as store:
        api = client(store).client
        codes = []
        for dataset, month in [(SINGLE, "02"), (SINGLE, "03"), (PRESSURE, "02"), (SINGLE, "02"),
                               (SINGLE, "02"), (SINGLE, "02")]:  # fmt: skip
            try:
                api.submit(dataset, request(month=month))
                codes.append(201)
            except requests.HTTPError as error:
                codes.append(error.response.status_code)
    assert codes == [201, 400, 400, 201, 400, 201]


@pytest.mark.parametrize(
    ("where", "kind", "message"),
    [("nowhere", "cut", "where='nowhere'"), ("job", "garbage", "kind='garbage' at job")],
)
def test_an_unknown_fault_is_refused(where, kind, message):
    with pytest.raises(ValueError, match=message):
        Fault(where, kind)


@pytest.mark.parametrize("outcome", ["failed", "rejected"])
def test_a_job_fails_with_its_message(path, outcome):
    words = {"failed": "The job has failed", "rejected": "The job has been rejected"}[outcome]
    with pytest.raises(requests.HTTPError, match=f"400 .*\n{words}\nno tape drive"):
        fetch(path, Fault("job", outcome, message="no tape drive"))


def test_a_fault_of_jobs_strikes_one_job_and_the_next_is_good(path):
    with ClimateDataStore(faults=[Fault("job", "failed", after=1)]) as store:
        api = client(store).client
        remotes = [api.submit(SINGLE, request(day=day)) for day in ("01", "02", "03")]
        assert [r.status for r in remotes for _ in range(2)] == (
            2 * ["successful"] + 2 * ["failed"] + 2 * ["successful"]
        )


def test_a_fault_that_is_added_later_strikes_a_job_at_its_next_poll():
    with ClimateDataStore() as store:
        remote = client(store).client.submit(SINGLE, request())
        assert remote.status == "successful"
        store.faults.append(Fault("job", "failed"))
        assert remote.status == "failed"


@pytest.mark.parametrize("status", ["accepted", "running"])
def test_a_job_can_stay_for_ever(status):
    fault = Fault("job", "never", status=status)
    with ClimateDataStore(faults=[fault], slots=1) as store:
        api = client(store).client
        first, second = (api.submit(SINGLE, request(day=day)) for day in ("01", "02"))
        assert first.status == status
        assert second.status == ("successful" if status == "accepted" else "accepted")


def test_a_job_can_vanish():
    faults = [Fault("job", "deleted"), Fault("job", "deleted", status="dismissed")]
    with ClimateDataStore(faults=faults) as store:
        api = client(store).client
        gone, dismissed = (api.submit(SINGLE, request(day=day)) for day in ("01", "02"))
        for _ in range(2):
            with pytest.raises(requests.HTTPError, match="404 .*\njob not found"):
                gone.status  # noqa: B018
            with pytest.raises(ProcessingFailedError, match="dismissed"):
                dismissed.results_ready  # noqa: B018


def test_expired_results_are_gone_until_resubmission(path):
    with ClimateDataStore(faults=[Fault("results", "expired")]) as store:
        api = client(store).client
        first = api.submit(SINGLE, request())
        for _ in range(2):
            with pytest.raises(requests.HTTPError, match="404 .*\nresults expired"):
                first.download(str(path))
        api.submit(SINGLE, request()).download(str(path))
    assert decode(path).sizes["time"] == 48


def test_a_wrong_size_is_only_in_the_results(path):
    with pytest.raises(DownloadError, match="downloaded"):
        fetch(path, Fault("results", "wrong_size", extra=5))
    assert path.read_bytes() == good_file(path)
