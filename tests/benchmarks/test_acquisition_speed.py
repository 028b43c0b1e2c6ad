"""Several requests in flight against one after the other."""

import time
from pathlib import Path

import pytest

from pipelines.period import Period
from pipelines.sources.source import fetching
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import month_request, quick_cds

JOB_SECONDS = 2.0
BOUND = 0.35


@pytest.mark.bench
def test_four_in_flight_take_a_third_of_the_serial_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_ratio
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def seconds(max_in_flight: int) -> float:
        cds = quick_cds(max_in_flight=max_in_flight)
        folder = tmp_path / str(max_in_flight)
        requests = [month_request(month) for month in Period("2017-01", "2018-12").months()]
        with ClimateDataStore(job_seconds=JOB_SECONDS, slots=4) as store:
            monkeypatch.setenv("CDSAPI_URL", store.url)
            monkeypatch.setenv("CDSAPI_KEY", store.key)
            start = time.monotonic()
            with fetching(cds, requests, folder):
                for request in requests:
                    cds.fetch(request, folder)
            return time.monotonic() - start

    serial, parallel = seconds(1), seconds(4)
    ratio = parallel / serial
    record_ratio("24 months, 4 in flight / 1 in flight", ratio, bound=f"<= {BOUND}")
    assert ratio <= BOUND
