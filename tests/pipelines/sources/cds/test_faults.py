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
    "HEAD fails": [Fault("head", "status", times=None, code=500)],
    "file 500 once": [Fault("file", "status", code=500)],
    "file 404 once": [Fault("file", "status", code=404)],
    "file 403 once": [Fault("file", "status", code=403)],
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


@pytest.mark.parametrize("faults", PASSING.values(), ids=PASSING.keys())
def test_a_passing_fault_ends_in_a_verified_month(
    open_store: OpenStore, tmp_path: Path, faults: list[Fault]
) -> None:
    open_store(faults=_fresh(faults))
    month = quick_cds().fetch(month_request(), tmp_path)
    np.testing.assert_array_equal(month.dataset["time"].values, FEBRUARY.hours())
    assert_fields_are_the_stores(month.dataset)
    assert_only_verified_files(tmp_path)


SUBMITTED_ONCE = [
    "execution 429 with Retry-After", "execution answered too late", "execution cut",
    "execution made a job, reply lost", "listing of jobs 500 once", "poll 500 once", "poll cut",
    "file 500 once", "results 500 once",
]  # fmt: skip


@pytest.mark.parametrize("name", SUBMITTED_ONCE)
def test_what_is_no_fault_of_the_job_submits_it_once(
    open_store: OpenStore, tmp_path: Path, name: str
) -> None:
    store = open_store(faults=_fresh(PASSING[name]))
    quick_cds().fetch(month_request(), tmp_path)
    assert len(store.submissions) == 1


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
        r"could not be reached for \d+ s; expected an answer within 3 s .* status 500",
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
        [Fault("file", "status", times=None, code=404)], "in 2 attempts.*downloaded 0 byte",
    ),
    "file 500 for ever": ([Fault("file", "status", times=None, code=500)], "in 2 attempts"),
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
    with pytest.raises(DataError, match=reason):
        quick_cds().fetch(month_request(), tmp_path)
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
    open_store(newest_hour=np.datetime64("2021-01-20T11"))
    with pytest.raises(DataError, match="did not bring"):
        quick_cds().fetch(month_request(), tmp_path)


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
    store = open_store(faults=[Fault("job", "status", code=403, title="permission denied")])
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
