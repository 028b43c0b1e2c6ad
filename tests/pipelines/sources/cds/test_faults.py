"""Whatever the service does, a month is verified or refused with the reason; never half there."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.sources.cds import acquire_part, manifest
from pipelines.sources.cds.patience import Patience
from tests.climate_data_store import state
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import (
    FEBRUARY,
    QUICK,
    assert_fields_are_the_stores,
    assert_only_verified_files,
    month_request,
    quick_cds,
)

OpenStore = Callable[..., ClimateDataStore]

# A file of several of the client's chunks of 1 MiB, so that there is something to resume.
LARGE = GridSettings(box=Box(44.0, 110.0, 34.0, 120.0))

PASSING = {
    "messages broken": [Fault("messages", "status", times=None, code=500)],
    "process 500 once": [Fault("process", "status", code=500)],
    "execution 500 once": [Fault("execution", "status", code=500)],
    "execution 502 once": [Fault("execution", "status", code=502)],
    "execution 503 once": [Fault("execution", "status", code=503)],
    "execution 429 with Retry-After": [Fault("execution", "status", code=429, retry_after=1)],
    "execution cut": [Fault("execution", "cut")],
    "execution answered too late": [Fault("execution", "slow", seconds=1.6)],
    "execution made a job, reply lost": [Fault("execution", "carried_out_then_cut")],
    "execution not JSON": [Fault("execution", "not_json")],
    "no estimate of costs": [Fault("costing", "status", times=None, code=500)],
    "listing of jobs 500 once": [
        Fault("execution", "carried_out_then_cut"), Fault("jobs", "status", code=500),
    ],
    "poll 500 once": [Fault("job", "status", code=500)],
    "poll cut": [Fault("job", "cut")],
    "poll 429": [Fault("job", "status", code=429, retry_after=1)],
    "poll not JSON": [Fault("job", "not_json")],
    "job failed once": [Fault("job", "failed", message="The MARS server is on fire")],
    "job rejected once": [Fault("job", "rejected", message="queue is full")],
    "job deleted": [Fault("job", "deleted")],
    "job dismissed": [Fault("job", "deleted", status="dismissed")],
    "results 500 once": [Fault("results", "status", code=500)],
    "results expired": [Fault("results", "expired")],
    "file:size wrong once": [Fault("results", "wrong_size")],
    "results not ready once": [Fault("results", "status", code=404, title="job results not ready")],
    "job unknown to one reply": [Fault("job", "status", code=404, title="job not found")],
    "job forbidden to one reply": [Fault("job", "status", code=403, title="permission denied")],
    "a proxy's page for a job": [Fault("job", "page", times=3, code=404)],
    "a proxy's page for the results": [Fault("results", "page", times=3, code=403)],
    "HEAD fails": [Fault("head", "status", times=None, code=500)],
    "HEAD fails once": [Fault("head", "status", code=500)],
    "HEAD fails the second time": [Fault("head", "status", times=None, after=1, code=403)],
    "HEAD cut": [Fault("head", "cut", times=None)],
    "file 500 once": [Fault("file", "status", code=500)],
    "file 404 once": [Fault("file", "status", code=404)],
    "file 403 once": [Fault("file", "status", code=403)],
    "file 503 for longer than the client tries": [Fault("file", "status", times=8, code=503)],
    "small file cut": [Fault("file", "cut_once_at")],
    "file shorter than HEAD said": [Fault("file", "short")],
    "file empty": [Fault("file", "empty")],
    "file truncated, sizes agree": [Fault("file", "truncated", missing=1000)],
    "file with trailing bytes": [Fault("file", "trailing", consistent=True)],
    "file with trailing bytes, size unknown": [Fault("file", "trailing", consistent=False)],
    "file garbage": [Fault("file", "garbage")],
    "value out of range by a flipped byte": [Fault("file", "bit_flip", part="reference")],
    "file is a web page": [Fault("file", "html")],
    "hours missing in the middle once": [Fault("file", "missing_hours")],
    "duplicate hours once": [Fault("file", "duplicate_hours")],
    "points without value once": [Fault("file", "nan")],
    "value out of range once": [Fault("file", "out_of_range")],
    "grid shifted once": [Fault("file", "wrong_grid")],
    "zip instead of GRIB": [Fault("file", "as_zip")],
    "netCDF instead of GRIB": [Fault("file", "as_netcdf")],
}  # fmt: skip


# No fault of the job.
SUBMITTED_ONCE = [
    "execution 429 with Retry-After", "execution answered too late", "execution cut",
    "execution made a job, reply lost", "listing of jobs 500 once", "poll 500 once", "poll cut",
    "file 500 once", "results 500 once", "results not ready once", "job unknown to one reply",
    "job forbidden to one reply", "a proxy's page for a job", "a proxy's page for the results",
    "HEAD fails once", "HEAD fails the second time", "HEAD cut", "file 403 once", "file 404 once",
    "file 503 for longer than the client tries", "file is a web page",
]  # fmt: skip
# A HEAD that fails is not a file that has changed.
DOWNLOADED_ONCE = ["HEAD fails", "HEAD fails once", "HEAD fails the second time", "HEAD cut"]
assert {*SUBMITTED_ONCE, *DOWNLOADED_ONCE} <= set(PASSING)


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_ends_in_a_verified_month(
    open_store: OpenStore, tmp_path: Path, name: str
) -> None:
    store = open_store(faults=_fresh(PASSING[name]))
    month = quick_cds().fetch(month_request(), tmp_path)
    np.testing.assert_array_equal(month.dataset["time"].values, FEBRUARY.hours())
    assert_fields_are_the_stores(month.dataset)
    assert_only_verified_files(tmp_path)
    if name in SUBMITTED_ONCE:
        assert len(store.submissions) == 1
    if name in DOWNLOADED_ONCE:
        assert [method for method, path, _ in store.calls if "/cache/" in path].count("GET") == 1


TRANSFERS = {
    "cut once, resumed": ([Fault("file", "cut_once_at", bytes=3_000_000)], 1),
    "cut, no ranges": ([Fault("file", "no_ranges", bytes=3_000_000)], 1),
    "cut, ranges ignored": ([Fault("file", "ranges_ignored", bytes=3_000_000)], 1),
    "cut, file changed meanwhile": ([Fault("file", "changed", bytes=3_000_000)], 1),
}


@pytest.mark.parametrize(("faults", "submissions"), TRANSFERS.values(), ids=TRANSFERS.keys())
def test_an_interrupted_transfer_ends_in_a_verified_month(
    open_store: OpenStore, tmp_path: Path, faults: list[Fault], submissions: int
) -> None:
    store = open_store(faults=_fresh(faults))
    month = quick_cds(grid=LARGE).fetch(month_request(), tmp_path)
    assert_fields_are_the_stores(month.dataset)
    assert_only_verified_files(tmp_path)
    assert len(store.submissions) == submissions


LASTING = {
    "execution 500 for ever": (
        [Fault("execution", "status", times=None, code=500)],
        r"could not be reached for \d+ s; expected an answer within 1 s .* status 500",
    ),
    "429 for ever": (
        [Fault("execution", "status", times=None, code=429, retry_after=1)],
        "could not be reached .* status 429",
    ),
    "poll 503 for ever": (
        [Fault("job", "status", times=None, code=503)], "could not be reached .* status 503",
    ),
    "job never starts": (
        [Fault("job", "never", times=None, status="accepted")],
        "is still 'accepted' after 3 s of waiting.*run again to go on waiting",
    ),
    "job never ends": (
        [Fault("job", "never", times=None, status="running")], "is still 'running'",
    ),
    "job always fails": (
        [Fault("job", "failed", times=None, message="no such field in MARS")],
        "did not bring 2m_temperature, 2021-02-01T00 to 2021-02-28T23 in 2 attempts.*"
        "no such field in MARS",
    ),
    "job always rejected": (
        [Fault("job", "rejected", times=None, message="too many requests queued")],
        "in 2 attempts.*too many requests queued",
    ),
    "results always expired": ([Fault("results", "expired", times=None)], "in 2 attempts.*expired"),
    "file:size always wrong": (
        [Fault("results", "wrong_size", times=None)], "in 2 attempts.*byte",
    ),
    "file cut every time": ([Fault("file", "cut_always")], "could not be reached|in 2 attempts"),
    "file 404 for ever": (
        [Fault("file", "status", times=None, code=404)],
        "in 2 attempts.*not in the service's store of files .status 404: NoSuchKey: The spec",
    ),
    "file 403 for ever": (
        [Fault("file", "status", times=None, code=403)],
        r"store of files refuses http://\S+grib \(status 403: AccessDenied: Request has expired\)"
        ".*run again to download its file",
    ),
    "file 400 for ever": (
        [Fault("file", "status", times=None, code=400)], "in 2 attempts.*does not give the file",
    ),
    "file 500 for ever": (
        [Fault("file", "status", times=None, code=500)],
        "could not be reached .*store of files does not answer .status 500: InternalError",
    ),
    "file always a web page": (
        [Fault("file", "html", times=None)],
        "could not be reached .*a web page .HTML: 'Service temporarily unavailable'. came, not the",
    ),
    "a network's sign-in page for ever": (
        [Fault("execution", "not_json", times=None)],
        "could not be reached .*a web page .HTML: 'Welcome to the hotel network. Please sign in.'. "
        "came, not the service's answer",
    ),
    "a proxy's page for a submission": (
        [Fault("execution", "page", times=None, code=403)],
        "refuses the call: status 403: a web page .HTML: 'Welcome .*not the service's answer",
    ),
    "a proxy's page for a job for ever": (
        [Fault("job", "page", times=None, code=404)], "could not be reached .*404: a web page",
    ),
    "results never ready": (
        [Fault("results", "status", times=None, code=404, title="job results not ready")],
        "could not be reached .*404: job results not ready",
    ),
    "job always unknown": (
        [Fault("job", "status", times=None, code=404, title="job not found")],
        "in 2 attempts.*job not found",
    ),
    "file always garbage": ([Fault("file", "garbage", times=None)], "in 2 attempts.*expected GRIB"),
    "hours always missing": (
        [Fault("file", "missing_hours", times=None, count=3)],
        "in 2 attempts.*672 hours|in 2 attempts.*3 missing",
    ),
    "hours always twice": (
        [Fault("file", "duplicate_hours", times=None)], "in 2 attempts.*twice",
    ),
    "always without values": ([Fault("file", "nan", times=None)], "in 2 attempts.*no value"),
    "always out of range": (
        [Fault("file", "out_of_range", times=None)], "in 2 attempts.*expected within 160 to 350 K",
    ),
    "always Celsius": ([Fault("file", "wrong_units", times=None)], "in 2 attempts.*expected with"),
    "always another grid": ([Fault("file", "wrong_grid", times=None)], "in 2 attempts.*grid"),
    "request refused": (
        [Fault("execution", "status", times=None, code=400)], "refuses the call: status 400",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("faults", "reason"), LASTING.values(), ids=LASTING.keys())
def test_a_lasting_fault_ends_with_its_reason_and_the_next_run_mends_it(
    open_store: OpenStore, tmp_path: Path, faults: list[Fault], reason: str
) -> None:
    store = open_store(faults=_fresh(faults))
    impatient = quick_cds(patience=replace(QUICK, unreachable=1.0))
    with pytest.raises(DataError, match=reason):
        impatient.fetch(month_request(), tmp_path)
    assert_only_verified_files(tmp_path)
    store.faults.clear()
    for job in list(store.jobs):
        if store.jobs[job].status in ("accepted", "running"):
            store.delete_job(job)  # whoever waits for ever is helped
    month = quick_cds().fetch(month_request(), tmp_path)
    assert_fields_are_the_stores(month.dataset)
    assert_only_verified_files(tmp_path)


REFUSALS = {
    "key": (
        {"faults": [Fault("execution", "status", times=None, code=401)]},
        "does not accept the key .*personal access token",
    ),
    "licence": (
        {"licence_accepted": False},
        r"licence for reanalysis-era5-single-levels accepted first: visit http://127.0.0.1:\d+/"
        r"datasets/reanalysis-era5-single-levels\?tab=download#manage-licences",
    ),
    "data set": (
        {"faults": [Fault("process", "status", times=None, code=404)]},
        "knows no data set reanalysis-era5-single-levels",
    ),
}


@pytest.mark.parametrize(("settings", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_the_account_may_not_do_stops_all_months_at_once(
    open_store: OpenStore, tmp_path: Path, settings: dict[str, object], reason: str
) -> None:
    store = open_store(**settings)
    cds = quick_cds(max_in_flight=1)
    months = [FEBRUARY, FEBRUARY.following(), FEBRUARY.following().following()]
    requests = [month_request(month) for month in months]
    with cds.fetching(requests, tmp_path):
        for request in requests:
            with pytest.raises(DataError, match=reason):
                cds.fetch(request, tmp_path)
    submitting = [c for c in store.calls if c[0] == "POST" and c[1].endswith("/execution")]
    assert len(submitting) <= 1
    assert not store.submissions


DEFINITE = {
    "400": [Fault("execution", "status", times=None, code=400)],
    "400 that speaks of a job": [
        Fault("execution", "status", times=None, code=400, detail="invalid job description"),
    ],
    "422": [Fault("execution", "status", times=None, code=422)],
    "key": [Fault("execution", "status", times=None, code=401)],
    "licence": [
        Fault("execution", "status", times=None, code=403, title="required licences not accepted"),
    ],
    "data set": [Fault("process", "status", times=None, code=404)],
    "proxy": [Fault("execution", "page", times=None, code=403)],
    # Not refused, but never sent: the client asks about the data set first.
    "data set not told": [Fault("process", "status", times=None, code=500)],
    "data set a page": [Fault("process", "not_json", times=None)],
}  # fmt: skip


@pytest.mark.parametrize("faults", DEFINITE.values(), ids=DEFINITE.keys())
def test_after_a_refusal_the_next_run_looks_for_no_job(
    open_store: OpenStore, tmp_path: Path, faults: list[Fault]
) -> None:
    store = open_store(faults=_fresh(faults))
    patient = replace(QUICK, reply=30.0, unreachable=0.3)  # it would look for a minute
    with pytest.raises(DataError):
        quick_cds(patience=patient).fetch(month_request(), tmp_path)
    store.faults.clear()
    quick_cds(patience=patient).fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1
    assert not [path for _, path, _ in store.calls if path.endswith("/jobs")]


def test_after_a_service_that_could_not_be_reached_the_next_run_looks_for_no_job(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ClimateDataStore() as closed:
        pass
    monkeypatch.setenv("CDSAPI_URL", closed.url)
    monkeypatch.setenv("CDSAPI_KEY", closed.key)
    patient = replace(QUICK, reply=30.0, unreachable=0.3)
    with pytest.raises(DataError, match="could not be reached .*Connection refused"):
        quick_cds(patience=patient).fetch(month_request(), tmp_path)
    store = open_store()
    quick_cds(patience=patient).fetch(month_request(), tmp_path)
    assert not [path for _, path, _ in store.calls if path.endswith("/jobs")]


def test_a_file_that_is_refused_does_not_cost_the_job(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(faults=[Fault("file", "status", times=None, code=403)])
    with pytest.raises(DataError, match="The job stays on the server"):
        quick_cds().fetch(month_request(), tmp_path)
    store.faults.clear()
    quick_cds().fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1


def test_a_key_the_service_does_not_know_is_named_as_the_trouble(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store()
    monkeypatch.setenv("CDSAPI_KEY", "another-key-1111")
    with pytest.raises(DataError, match="does not accept the key") as error:
        quick_cds().fetch(month_request(), tmp_path)
    assert "another-key-1111" not in str(error.value)


def test_a_month_cut_by_the_embargo_says_from_when_on_it_is_missing(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(newest_hour=np.datetime64("2021-02-20T11"))
    with pytest.raises(
        DataError, match="gave 468 of 672 hours of 2021-02: those from 2021-02-20T12 on are missing"
    ):
        quick_cds().fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1  # asking again at once would not help
    assert_only_verified_files(tmp_path)


def test_a_month_that_is_not_released_at_all_is_refused(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(newest_hour=np.datetime64("2021-01-20T11"))
    with pytest.raises(DataError, match="did not bring .* no data, please .*appears about 5 days"):
        quick_cds().fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1
    store.set_newest_hour(None)
    assert quick_cds().fetch(month_request(), tmp_path).dataset.sizes["time"] == 672


PARTS = {
    "2m_temperature": (), "total_precipitation": (), "temperature": (500, 850),
    "geopotential": (500,),
}  # fmt: skip


@pytest.mark.parametrize("newest", ["2021-02-20T11", "2021-01-20T11"])
def test_an_embargoed_month_is_one_line_however_many_requests_it_has(
    open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, newest: str
) -> None:
    caplog.set_level("WARNING", "pipelines")
    store = open_store(newest_hour=np.datetime64(newest))
    with pytest.raises(DataError, match="appears about 5 days"):
        quick_cds(max_in_flight=1).fetch(month_request(fields=PARTS), tmp_path)
    [line] = caplog.records
    assert line.levelname == "WARNING" and "2021-02: cannot be had" in line.getMessage()
    assert len(store.submissions) == 1  # the other requests of the month are not made


def test_requests_in_flight_of_an_embargoed_month_add_no_line(
    open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "pipelines")
    store = open_store(newest_hour=np.datetime64("2021-01-20T11"), job_seconds=0.3)
    with pytest.raises(DataError, match="appears about 5 days"):
        quick_cds().fetch(month_request(fields=PARTS), tmp_path)
    assert len(store.submissions) == 4
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "message",
    ["None of the data you have requested is available yet, please revise the period requested. "
     "The latest date available for this dataset is: 2021-01-20 11:00",
     "MARS has returned no data, please check your selection."],
)  # fmt: skip
def test_a_failed_job_without_data_is_not_asked_for_again_at_once(
    open_store: OpenStore, tmp_path: Path, message: str
) -> None:
    store = open_store(faults=[Fault("job", "failed", times=None, message=message)])
    with pytest.raises(DataError, match="run again later, or end the period earlier"):
        quick_cds().fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1


def test_a_released_month_is_asked_for_anew_after_the_embargo(
    open_store: OpenStore, tmp_path: Path
) -> None:
    newest = np.datetime64("2021-02-20T11")
    store = open_store(newest_hour=newest)
    with pytest.raises(DataError, match="are missing"):
        quick_cds().fetch(month_request(), tmp_path)
    store.set_newest_hour(None)
    month = quick_cds().fetch(month_request(), tmp_path)
    assert month.dataset.sizes["time"] == 672


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_accumulated_and_instantaneous_variables_are_asked_for_apart_and_put_together(
    open_store: OpenStore, tmp_path: Path, data_format: str
) -> None:
    store = open_store()
    fields = {"2m_temperature": (), "total_precipitation": (), "toa_incident_solar_radiation": ()}
    month = quick_cds(data_format=data_format).fetch(month_request(fields=fields), tmp_path)
    assert [set(request["variable"]) for _, request in store.submissions] in (
        [{"2m_temperature"}, {"total_precipitation", "toa_incident_solar_radiation"}],
        [{"total_precipitation", "toa_incident_solar_radiation"}, {"2m_temperature"}],
    )
    assert set(month.dataset.data_vars) == set(fields)
    assert_fields_are_the_stores(month.dataset)


def test_a_zip_with_one_member_a_variable_kind_is_read(
    open_store: OpenStore, tmp_path: Path
) -> None:
    open_store(faults=[Fault("file", "split_zip", times=None)])
    fields = {"total_precipitation": (), "toa_incident_solar_radiation": ()}
    month = quick_cds(data_format="netcdf").fetch(month_request(fields=fields), tmp_path)
    assert_fields_are_the_stores(month.dataset)
    assert [path.suffix for path in tmp_path.rglob("surface_*")] == [".zip"]


def test_a_variable_that_is_always_missing_is_named(open_store: OpenStore, tmp_path: Path) -> None:
    open_store(faults=[Fault("file", "missing_variable", times=None)])
    fields = {"2m_temperature": (), "10m_u_component_of_wind": ()}
    with pytest.raises(DataError, match=r"variables 2m_temperature are missing; found: 10m_u"):
        quick_cds().fetch(month_request(fields=fields), tmp_path)


def test_a_file_cut_at_the_edge_of_a_field_is_a_month_with_missing_hours(
    open_store: OpenStore, tmp_path: Path
) -> None:
    size = quick_size(open_store, tmp_path)
    open_store(faults=[Fault("file", "truncated", missing=size // 4)])  # of 672 equal messages
    with pytest.raises(DataError, match="gave 504 of 672 hours"):
        quick_cds().fetch(month_request(), tmp_path)
    assert quick_cds().fetch(month_request(), tmp_path).dataset.sizes["time"] == 672


def test_a_level_that_is_always_missing_is_named(open_store: OpenStore, tmp_path: Path) -> None:
    open_store(faults=[Fault("file", "missing_level", times=None)])
    with pytest.raises(DataError, match=r"levels \[500\] hPa; expected also \[850\]"):
        quick_cds().fetch(month_request(fields={"temperature": (500, 850)}), tmp_path)


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
@pytest.mark.parametrize("expver_form", ["per_time", "scalar", "dimension"])
def test_preliminary_hours_are_marked_in_every_form(
    open_store: OpenStore, tmp_path: Path, data_format: str, expver_form: str
) -> None:
    last = np.datetime64("2021-01-20T05") if expver_form == "scalar" else None
    open_store(final_until=last or np.datetime64("2021-02-20T05"), expver_form=expver_form)
    month = quick_cds(data_format=data_format).fetch(month_request(), tmp_path)
    expver = month.dataset["expver"].values
    final = 0 if expver_form == "scalar" else 19 * 24 + 6
    assert (expver[:final] == "0001").all() and (expver[final:] == "0005").all()
    assert_fields_are_the_stores(month.dataset)
    [entry] = month.manifest["files"]
    counts = {"0001": final, "0005": 672 - final}
    assert entry["expver"] == {version: n for version, n in counts.items() if n}


def test_an_hour_is_preliminary_if_any_of_its_fields_is(
    open_store: OpenStore, tmp_path: Path
) -> None:
    first = np.datetime64("2021-02-10T00")
    fault = Fault("file", "mixed_expver", times=None, first_hour=first, accumulated_final_hours=7)
    open_store(faults=[fault])
    fields = {"2m_temperature": (), "total_precipitation": ()}
    month = quick_cds().fetch(month_request(fields=fields), tmp_path)
    preliminary = month.dataset["time"].values[month.dataset["expver"].values == "0005"]
    assert preliminary[0] == first and len(preliminary) == 19 * 24
    counts = {f["name"].split("_")[1]: f["expver"] for f in month.manifest["files"]}
    assert counts["total"]["0001"] == counts["2m"]["0001"] + 7


def test_a_retry_after_is_honoured(open_store: OpenStore, tmp_path: Path) -> None:
    patience = replace(QUICK, unreachable=5.0)
    store = open_store(faults=[Fault("execution", "status", code=429, retry_after=2)])
    quick_cds(patience=patience).fetch(month_request(), tmp_path)
    moments = [c for c in store.calls if c[1].endswith("/execution")]
    assert [status for _, _, status in moments] == [429, 201]


def test_a_key_that_is_refused_at_the_download_does_not_cost_the_job(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(faults=[Fault("results", "status", times=None, code=401)])
    with pytest.raises(DataError, match="does not accept the key"):
        quick_cds().fetch(month_request(), tmp_path)
    store.faults.clear()
    quick_cds().fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1


def test_jobs_of_another_account_are_submitted_anew(open_store: OpenStore, tmp_path: Path) -> None:
    denied = Fault("job", "status", times=2, code=403, title="permission denied")
    store = open_store(faults=[denied])
    assert quick_cds().fetch(month_request(), tmp_path).dataset.sizes["time"] == 672
    assert len(store.submissions) == 2


@pytest.mark.parametrize("days", [-2, 2])
def test_a_clock_that_is_set_during_a_submission_does_not_repeat_it(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    store = open_store()
    # The search for the job sees another clock than the submission before it.
    true_now, submit = manifest.now, state.StoreState.submit
    monkeypatch.setattr(acquire_part, "now", lambda: true_now() + timedelta(days=days))

    def late(self: state.StoreState, *args: object) -> object:
        time.sleep(1.5)  # the client has given the reply up, and the job is not there yet
        return submit(self, *args)

    monkeypatch.setattr(state.StoreState, "submit", late)
    quick_cds().fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1


def test_patience_is_positive() -> None:
    with pytest.raises(ValueError, match=r"patience.job is 0; expected > 0"):
        Patience(job=0)


def quick_size(open_store: OpenStore, folder: Path) -> int:
    """Give the size of February's file, from a store without faults."""
    open_store()
    [entry] = quick_cds().fetch(month_request(), folder / "whole").manifest["files"]
    return int(entry["size"])


def _fresh(faults: list[Fault]) -> list[Fault]:
    """Give faults that have not struck yet: those of the tables are shared by tests."""
    return [
        Fault(f.where, f.kind, f.times, f.after, f.dataset, f.month, **f.details) for f in faults
    ]
