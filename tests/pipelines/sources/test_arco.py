import json
import logging
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipelines.archive.ingest import ingest
from pipelines.archive.state import history, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Month, Period
from pipelines.sources import remote_array
from pipelines.sources.arco import Arco
from pipelines.sources.source import MonthRequest
from tests.builders import SMALL_GRID
from tests.pipelines.sources.arco_store import web_server, write_arco
from tests.pipelines.sources.weather_truth import make_truth

PERIOD = Period("2020-02-28", "2020-03-01")
FEBRUARY = Period("2020-02-28", "2020-02-29")
FIELDS = {"2m_temperature": (), "relative_humidity": (850,)}


def truth(period: Period = PERIOD, **changes) -> xr.Dataset:
    fields = {"2m_temperature": (), "relative_humidity": (850, 1000)}
    return make_truth(period.hours(), grid=SMALL_GRID, fields=fields, **changes)


def request(period: Period = FEBRUARY, fields=FIELDS) -> MonthRequest:
    return MonthRequest(Month.of(period.first), period.hours(), fields)


def fetch(url: str, wanted: MonthRequest | None = None):
    return Arco(url).fetch(wanted or request(), Path("nowhere"))


@pytest.fixture
def url(tmp_path) -> str:
    return write_arco(tmp_path / "store", truth())


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(remote_array, "_PAUSES", (0.0, 0.0, 0.0))


def test_the_default_is_the_public_store():
    bucket = "https://storage.googleapis.com/gcp-public-data-arco-era5"
    assert Arco().url == f"{bucket}/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
    assert "Copernicus" in Arco().attribution


def test_wanted_hours_levels_and_variables_come_and_nothing_else(url):
    month = fetch(url)
    assert set(month.dataset.data_vars) == set(FIELDS)
    assert month.dataset["level"].values.tolist() == [850]
    expected = truth().sel(time=month.dataset["time"])
    assert len(expected["time"]) == 48
    np.testing.assert_array_equal(month.dataset["2m_temperature"], expected["2m_temperature"])
    np.testing.assert_array_equal(
        month.dataset["relative_humidity"], expected["relative_humidity"].sel(level=[850])
    )


def test_levels_come_in_the_archives_order_whatever_the_order_of_the_request(url):
    fields = {"relative_humidity": (1000, 850)}
    assert fetch(url, request(fields=fields)).dataset["level"].values.tolist() == [850, 1000]


@pytest.mark.parametrize("step", [3, 6, 24])
def test_every_so_many_hours_come_as_they_are_in_the_store(url, step):
    wanted = MonthRequest(Month(2020, 2), FEBRUARY.hours(step), FIELDS)
    found = fetch(url, wanted).dataset
    np.testing.assert_array_equal(found["time"].values, wanted.hours)
    expected = truth()["2m_temperature"].sel(time=wanted.hours.astype("datetime64[ns]"))
    np.testing.assert_array_equal(found["2m_temperature"].values, expected.values)
    uneven = MonthRequest(Month(2020, 2), FEBRUARY.hours()[[0, 1, 5]], FIELDS)
    found = fetch(url, uneven).dataset.compute()
    expected = truth()["2m_temperature"].isel(time=[0, 1, 5])
    np.testing.assert_array_equal(found["2m_temperature"].values, expected.values)


def test_a_store_in_memory_is_read_as_any_other():
    url = write_arco("memory://arco-test", truth())
    assert float(fetch(url).dataset["2m_temperature"].isnull().sum()) == 0


def test_hours_after_the_last_final_one_are_preliminary(tmp_path):
    url = write_arco(tmp_path / "s", truth(), stop="2020-02-28", stop_era5t="2020-03-01")
    month = fetch(url)
    assert month.dataset["expver"].values.tolist() == ["0001"] * 24 + ["0005"] * 24
    assert month.manifest == {
        "source": "arco",
        "url": url,
        "releases": [
            ["2020-02-28T00", "2020-02-28T23", "0001"],
            ["2020-02-29T00", "2020-02-29T23", "0005"],
        ],
    }
    json.dumps(month.manifest)


def test_what_changes_elsewhere_in_the_store_leaves_a_months_manifest_as_it_was(tmp_path):
    before = fetch(write_arco(tmp_path / "s", truth(), stop="2020-02-29")).manifest
    after = fetch(
        write_arco(tmp_path / "s", truth(), stop="2020-03-01", stop_era5t="2020-03-01")
    ).manifest
    assert before == after
    assert before["releases"] == [["2020-02-28T00", "2020-02-29T23", "0001"]]


def test_a_preliminary_stop_before_the_final_one_means_nothing(tmp_path):
    url = write_arco(tmp_path / "s", truth(), stop_era5t="2020-02-28")
    assert set(fetch(url).dataset["expver"].values) == {"0001"}


@pytest.mark.parametrize(
    ("period", "message"),
    [
        (Period("2020-02-27T20", "2020-02-29"), "4 are not there, the first 2020-02-27T20"),
        (Period("2020-03-01", "2020-03-02T05"), "6 are not there, the first 2020-03-02T00"),
    ],
)
def test_hours_outside_the_valid_ones_are_refused_though_the_axis_has_them(
    tmp_path, period, message
):
    url = write_arco(tmp_path / "s", truth(), stop="2020-02-29", stop_era5t="2020-03-01")
    with xr.open_zarr(url) as store:
        assert np.isin(period.hours().astype("datetime64[ns]"), store["time"].values).all()
    with pytest.raises(
        DataError,
        match=r"found hours 2020-02-28T00 to 2020-03-01T23 \(final to 2020-02-29T23\); .*"
        + message,
    ):
        fetch(url, request(period))


def test_all_final_is_said_where_no_hour_is_preliminary(url):
    with pytest.raises(DataError, match=r"\(all final\); expected 2021-01-01T00 to 2021-01-01T23"):
        fetch(url, request(Period("2021-01-01", "2021-01-01")))


@pytest.mark.parametrize(
    "attrs", [{}, {"valid_time_start": "2020-01-01"},
              {"valid_time_start": "soon", "valid_time_stop": "2020-03-01"},
              {"valid_time_start": "2020-03-02", "valid_time_stop": "2020-03-01"}],
)  # fmt: skip
def test_a_store_without_its_valid_range_is_refused(tmp_path, attrs):
    dataset = truth().drop_vars("expver")
    dataset.attrs = attrs
    dataset.to_zarr(tmp_path / "s", zarr_format=2, consolidated=True)
    with pytest.raises(DataError, match="found no usable valid_time_start and valid_time_stop"):
        fetch(str(tmp_path / "s"))


def test_an_axis_shorter_than_the_valid_range_is_refused(tmp_path):
    dataset = truth().drop_vars("expver").isel(time=np.arange(72) != 30)
    dataset.attrs = {"valid_time_start": "2020-02-28", "valid_time_stop": "2020-03-01"}
    dataset.to_zarr(tmp_path / "s", zarr_format=2, consolidated=True)
    with pytest.raises(DataError, match="found a time axis without some hours .* in order"):
        fetch(str(tmp_path / "s"))


def test_absent_variables_and_levels_are_named_with_what_is_there(url):
    with pytest.raises(
        DataError,
        match="found no geopotential, surface_pressure among 3 variables; .*of those known here "
        "it has 2m_temperature, relative_humidity",
    ):
        fetch(url, request(fields={**FIELDS, "geopotential": (500,), "surface_pressure": ()}))
    with pytest.raises(DataError, match=r"levels \[500, 850, 1000\]; expected \[850, 925\] hPa"):
        fetch(url, request(fields={"relative_humidity": (925, 850)}))


def test_levels_of_a_store_without_any_are_refused(tmp_path):
    surface = make_truth(PERIOD.hours(), grid=SMALL_GRID, fields={"2m_temperature": ()})
    url = write_arco(tmp_path / "s", surface)
    with pytest.raises(DataError, match=r"found levels \[\]; expected \[850\]"):
        fetch(url, request(fields={"2m_temperature": (850,)}))


@pytest.mark.parametrize("url", ["memory://nothing", "/nowhere/store", "http://127.0.0.1:9/store"])
def test_a_store_that_is_not_there_is_refused_in_one_line(url):
    with pytest.raises(DataError, match=f"^{url}: cannot be opened .*; expected a Zarr") as caught:
        fetch(url)
    assert "\n" not in str(caught.value)


def test_metadata_must_be_consolidated(tmp_path):
    url = write_arco(tmp_path / "s", truth(), consolidated=False)
    with pytest.raises(DataError, match="expected a Zarr store with consolidated metadata"):
        fetch(url)


def test_without_gcsfs_the_message_tells_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(
        DataError, match="no package for gs:// addresses .*: pip install gcsfs, or give an https://"
    ):
        fetch("gs://bucket/store")


def test_over_the_web_each_needed_chunk_is_read_once_and_no_other(tmp_path):
    write_arco(tmp_path / "store", truth())
    with web_server(tmp_path) as server:
        ingest(
            Arco(f"{server.url}/store"), period=PERIOD,
            fields={"2m_temperature": (), "relative_humidity": (850, 1000)},
            grid=GridSettings(box=Box(25, 110, 24, 112)),
            raw_folder=tmp_path / "raw", path=tmp_path / "archive",
        )  # fmt: skip
        # Hour 6 of the axis is the first valid one. An hour on levels is one chunk.
        assert server.chunks() == {
            **{f"store/2m_temperature/{6 + hour}.0.0": 1 for hour in range(72)},
            **{f"store/relative_humidity/{6 + hour}.0.0.0": 1 for hour in range(72)},
        }
    archive = open_archive(tmp_path / "archive")
    np.testing.assert_array_equal(
        archive["relative_humidity"],
        truth()["relative_humidity"].sel(latitude=[25, 24], longitude=[110, 111, 112]),
    )


def test_nothing_is_read_before_values_are_computed(tmp_path):
    write_arco(tmp_path / "store", truth())
    with web_server(tmp_path) as server:
        month = fetch(f"{server.url}/store").dataset
        month["2m_temperature"].mean()
        assert server.chunks() == {}


def test_a_failing_server_is_asked_again(tmp_path, no_pauses, caplog):
    write_arco(tmp_path / "store", truth())
    with web_server(tmp_path) as server, caplog.at_level(logging.WARNING):
        month = fetch(f"{server.url}/store").dataset
        server.failures[:] = [503, 500]
        field = month["2m_temperature"].compute()
    np.testing.assert_array_equal(field, truth()["2m_temperature"][:48])
    assert server.failures == []
    assert re.search(r"50[03]", caplog.text)  # of chunks that are read at once, one tells
    assert re.search(r"store: 2m_temperature, 2020-02-2\dT00 to .*T23: .*; again in", caplog.text)


def test_a_server_that_keeps_failing_ends_in_one_line(tmp_path, no_pauses):
    write_arco(tmp_path / "store", truth())
    with web_server(tmp_path) as server:
        month = fetch(f"{server.url}/store").dataset
        server.failures[:] = [503] * 1000
        with pytest.raises(DataError, match="cannot be read after 4 tries .*503.* again") as caught:
            month["2m_temperature"].compute()
    assert "\n" not in str(caught.value)


def test_a_damaged_chunk_is_refused(tmp_path, url):
    (tmp_path / "store" / "2m_temperature" / "8.0.0").write_bytes(b"damaged")
    with pytest.raises(
        DataError, match="2m_temperature, 2020-02-28T.*found a chunk that cannot be unpacked"
    ):
        fetch(url).dataset["2m_temperature"].compute()


def test_a_chunk_that_is_not_there_does_not_enter_an_archive(tmp_path, url):
    (tmp_path / "store" / "2m_temperature" / "8.0.0").unlink()
    with pytest.raises(DataError, match="2m_temperature has no value at 12 of 12 points at "
                       "2020-02-28T02"):  # fmt: skip
        bring_in(tmp_path, Arco(url))


def bring_in(folder: Path, source: Arco, **changes):
    return ingest(
        source, period=FEBRUARY, fields=FIELDS, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive", **changes,
    )  # fmt: skip


def test_a_month_that_became_final_is_replaced_and_an_unchanged_one_is_not(tmp_path):
    early = truth(preliminary_from="2020-02-29")
    url = write_arco(tmp_path / "s", early, stop="2020-02-28", stop_era5t="2020-03-01")
    before = bring_in(tmp_path, Arco(url))
    assert bring_in(tmp_path, Arco(url), replace=True) == before
    write_arco(tmp_path / "s", truth(), stop="2020-02-29", stop_era5t="2020-03-01")
    after = bring_in(tmp_path, Arco(url), replace=True)
    assert after != before
    newest = history(tmp_path / "archive")[-1]
    assert newest["action"] == "replace"
    assert newest["largest_change"]["2m_temperature"] == pytest.approx(0.2, abs=1e-3)
    assert set(open_archive(tmp_path / "archive")["expver"].values.tolist()) == {"0001"}
    assert bring_in(tmp_path, Arco(url), replace=True) == after
