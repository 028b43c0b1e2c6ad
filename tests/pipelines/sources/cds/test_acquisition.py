"""Several months at once: order, limits, splitting, and failures that stay with their month."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.period import Month, Period
from pipelines.sources.cds import acquisition
from pipelines.sources.cds import cds as cds_module
from pipelines.sources.cds.manifest import read_manifest
from pipelines.sources.source import MonthRequest
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import (
    FEBRUARY,
    assert_fields_are_the_stores,
    assert_only_verified_files,
    month_request,
    quick_cds,
)

OpenStore = Callable[..., ClimateDataStore]
LEVELS = {"temperature": (500, 850), "geopotential": (500,), "2m_temperature": ()}


def test_no_more_than_the_limit_are_in_flight(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(job_seconds=0.3)
    requests = [month_request(month) for month in Period("2021-01", "2021-06").months()]
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            open_jobs = [j for j in list(store.jobs.values()) if j.status != "successful"]
            most = max(most, len(open_jobs))

    watcher = threading.Thread(target=watch)
    watcher.start()
    cds = quick_cds(max_in_flight=2)
    with cds.fetching(requests, tmp_path):
        months = [cds.fetch(request, tmp_path).dataset for request in requests]
    done.set()
    watcher.join()
    assert most == 2
    assert [str(m["time"].values[0])[:7] for m in months] == [str(r.month) for r in requests]


def test_a_month_that_cannot_be_had_does_not_stop_the_others(
    open_store: OpenStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "pipelines")
    open_store(
        job_seconds=0.2, faults=[Fault("job", "failed", times=None, month="2021-01", message="no")]
    )
    requests = [month_request(month) for month in Period("2021-01", "2021-05").months()]
    cds = quick_cds()
    with pytest.raises(DataError, match="did not bring"), cds.fetching(requests, tmp_path):
        cds.fetch(requests[0], tmp_path)
    for request in requests[1:]:
        parts = cds.open_month(request, tmp_path).parts
        assert [part.state for part in parts] == ["received"]
    [failed] = cds.open_month(requests[0], tmp_path).parts
    assert "did not bring" in failed.failure
    assert "2021-01: cannot be had" in caplog.text


def test_an_interrupted_block_leaves_its_jobs_to_the_next_run(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(job_seconds=1.0)
    cds, requests = quick_cds(), [month_request(FEBRUARY)]
    with pytest.raises(KeyboardInterrupt), cds.fetching(requests, tmp_path):
        while not store.submissions:
            pass
        raise KeyboardInterrupt
    cds.fetch(requests[0], tmp_path)
    assert len(store.submissions) == 1


def test_one_acquisition_of_a_series_at_a_time(open_store: OpenStore, tmp_path: Path) -> None:
    open_store(job_seconds=0.5)
    requests = [month_request(FEBRUARY)]
    first, second = quick_cds(), quick_cds()
    with (
        first.fetching(requests, tmp_path),
        pytest.raises(DataError, match="another process is fetching into"),
        second.fetching(requests, tmp_path),
    ):
        pass


def test_what_costs_too_much_is_split_before_it_is_submitted(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(cost_limit=672)  # a month of one field
    month = quick_cds().fetch(month_request(fields=LEVELS), tmp_path)
    assert_fields_are_the_stores(month.dataset.sel(level=[500]))
    assert np.isfinite(month.dataset["temperature"].sel(level=850)).all()
    assert len(store.submissions) == 4
    refused = [c for c in store.calls if c[1].endswith("/execution") and c[2] != 201]
    assert not refused


def test_the_pieces_of_one_large_request_are_in_flight_together(
    open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(cost_limit=672, job_seconds=1.0)
    quick_cds().fetch(month_request(fields=LEVELS), tmp_path)
    made = sorted(job.created for job in store.jobs.values())
    assert len(made) == 4
    assert made[-1] - made[0] < 1.0  # the last before the first was done


def test_what_another_process_brought_meanwhile_is_not_asked_for_again(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    first, second, request = quick_cds(), quick_cds(), month_request()

    def lock(folder: Path) -> object:
        """Let another process finish just before this one gets its turn."""
        monkeypatch.undo()
        monkeypatch.setenv("CDSAPI_URL", store.url)
        monkeypatch.setenv("CDSAPI_KEY", store.key)
        first.fetch(request, tmp_path)
        return cds_module.lock_series(folder)

    monkeypatch.setattr(cds_module, "lock_series", lock)
    second.fetch(request, tmp_path)
    assert len(store.submissions) == 1


def test_other_hours_than_those_being_fetched_are_refused(
    open_store: OpenStore, tmp_path: Path
) -> None:
    open_store()
    cds, request = quick_cds(), month_request()
    with (
        cds.fetching([request], tmp_path),
        pytest.raises(DataError, match="2021-02: found other hours being fetched than"),
    ):
        cds.fetch(MonthRequest(FEBRUARY, FEBRUARY.hours()[:48], request.fields), tmp_path)


def test_after_a_long_goodbye_the_lock_is_free(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquisition, "_LAST_WORDS", 0.05)
    store = open_store(faults=[Fault("execution", "slow", seconds=0.5)])
    cds, request = quick_cds(), month_request()
    with pytest.raises(KeyboardInterrupt), cds.fetching([request], tmp_path):
        while not store.submissions:
            pass
        raise KeyboardInterrupt
    deadline = time.monotonic() + 20
    while any(thread.name.startswith("cds-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
    cds.fetch(request, tmp_path)
    assert len(store.submissions) == 1


def test_without_an_estimate_the_refusal_splits(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(
        cost_limit=400, faults=[Fault("costing", "status", times=None, code=500)]
    )  # fmt: skip
    month = quick_cds().fetch(month_request(), tmp_path)
    assert_fields_are_the_stores(month.dataset)
    assert_only_verified_files(tmp_path)
    assert len(store.submissions) == 2  # halves of 14 days
    assert len(read_manifest(next(tmp_path.rglob("manifest.json")).parent).parts) == 2


def test_a_single_field_that_is_too_large_is_refused(open_store: OpenStore, tmp_path: Path) -> None:
    open_store(cost_limit=0.5)
    request = MonthRequest(FEBRUARY, FEBRUARY.hours()[:2], {"2m_temperature": ()})
    with pytest.raises(DataError, match="too large, though it is a single field"):
        quick_cds().fetch(request, tmp_path)


def test_a_month_cut_by_the_period_brings_exactly_its_hours(
    open_store: OpenStore, tmp_path: Path
) -> None:
    open_store()
    hours = FEBRUARY.hours()[5:60]
    request = MonthRequest(FEBRUARY, hours, {"2m_temperature": (), "temperature": (500, 850)})
    month = quick_cds().fetch(request, tmp_path)
    np.testing.assert_array_equal(month.dataset["time"].values, hours)
    assert_fields_are_the_stores(month.dataset)


def test_a_file_that_was_changed_on_disk_is_noticed(open_store: OpenStore, tmp_path: Path) -> None:
    open_store()
    quick_cds().fetch(month_request(), tmp_path)
    [path] = tmp_path.rglob("*.grib")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match="found other bytes; expected the .* bytes that were rec"):
        quick_cds().fetch(month_request(), tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="found no file"):
        quick_cds().fetch(month_request(), tmp_path)


def test_other_variables_are_another_series(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store()
    quick_cds().fetch(month_request(), tmp_path)
    quick_cds().fetch(month_request(Month(2021, 2), {"surface_pressure": ()}), tmp_path)
    assert len(store.submissions) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data_format": "csv"}, "data_format is 'csv'; expected grib or netcdf"),
        ({"max_in_flight": 0}, "max_in_flight is 0; expected 1 to 32"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick_cds(**settings)
