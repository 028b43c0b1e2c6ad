"""Faults of one transfer, as the unmodified client meets them."""

import time

import numpy as np
import pytest
import requests

from pipelines.errors import DataError
from pipelines.formats.decode import decode
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.requests_to_store import SINGLE, client, fetch, good_file, request
from tests.climate_data_store.server import ClimateDataStore

NAMES = ["2m_temperature", "total_precipitation"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x"


def test_a_transfer_that_is_cut_once_is_resumed_where_ranges_are_served(path):
    big = {"area": [60, 0, 40, 30], "variable": NAMES}  # 48 hours of 2 x 81 x 121 points: 1.9 MB
    whole = good_file(path, **big)
    for kind, status in (("cut_once_at", 206), ("no_ranges", 200)):
        store = fetch(path, Fault("file", kind, bytes=1_500_000), **big)
        transfers = [s for m, p, s in store.calls if p.startswith("/cache") and m == "GET"]
        assert transfers == [200, status]
        assert path.read_bytes() == whole


def resumable(store):
    return client(store).client.submit(SINGLE, request()).get_results().location


def get(url, **headers):
    """Read a reply as far as it comes."""
    reply = requests.get(url, headers=headers, stream=True, timeout=5)
    content = b""
    try:
        for piece in reply.iter_content(64):
            content += piece
    except requests.exceptions.ChunkedEncodingError:
        pass
    return reply, content


def test_a_cut_transfer_ends_at_the_byte_and_goes_on_from_there():
    with ClimateDataStore(faults=[Fault("file", "cut_once_at", bytes=640)]) as store:
        url = resumable(store)
        cut, start = get(url)
        rest, end = get(url, Range="bytes=640-")
        whole, content = get(url)
    assert len(start) == 640 and int(cut.headers["Content-Length"]) == len(content)
    assert rest.status_code == 206 and start + end == content


def test_every_transfer_is_cut_and_the_client_gives_up(path):
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        fetch(path, Fault("file", "cut_always"))


def test_ranges_are_advertised_and_ignored():
    with ClimateDataStore(faults=[Fault("file", "ranges_ignored", bytes=640)]) as store:
        url = resumable(store)
        assert requests.head(url, timeout=5).headers["Accept-Ranges"] == "bytes"
        assert len(get(url)[1]) == 640
        reply, content = get(url, Range="bytes=640-")
    assert reply.status_code == 200 and len(content) == int(reply.headers["Content-Length"])


def test_no_ranges_are_neither_advertised_nor_honoured():
    with ClimateDataStore(faults=[Fault("file", "no_ranges")]) as store:
        url = resumable(store)
        assert "Accept-Ranges" not in requests.head(url, timeout=5).headers
        assert requests.get(url, headers={"Range": "bytes=5-"}, timeout=5).status_code == 200


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_an_object_that_changes_after_a_cut_keeps_its_size_and_changes_its_tag(data_format, path):
    fault = Fault("file", "changed", bytes=640)
    with ClimateDataStore(faults=[fault]) as store:
        remote = client(store).client.submit(SINGLE, request(data_format=data_format))
        url = remote.get_results().location
        before = requests.head(url, timeout=5).headers
        reply, start = get(url)
        after = requests.head(url, timeout=5).headers
        guarded = get(url, **{"Range": "bytes=640-", "If-Range": before["ETag"]})
        rest = get(url, Range="bytes=640-")[1]
    assert before["ETag"] == reply.headers["ETag"] != after["ETag"]
    assert before["Content-Length"] == after["Content-Length"]
    assert guarded[0].status_code == 200  # the whole new object
    path.write_bytes(guarded[1])
    assert decode(path).sizes["time"] == 48
    assert start + rest != guarded[1] or data_format == "netcdf"
    if data_format == "grib":  # the mixture can be read: only the tag tells
        path.write_bytes(start + rest)
        assert decode(path).load().sizes["time"] == 48


def test_a_short_body_is_less_than_head_said(path):
    with pytest.raises(AssertionError, match="File size mismatch"):
        fetch(path, Fault("file", "short", missing=7))
    size = path.stat().st_size
    assert len(good_file(path)) == size + 7


def test_an_empty_body_is_a_size_mismatch(path):
    with pytest.raises(AssertionError, match="File size mismatch 0 bytes"):
        fetch(path, Fault("file", "empty"))


def test_a_page_instead_of_the_file_is_a_size_mismatch(path):
    with pytest.raises(AssertionError, match="File size mismatch"):
        fetch(path, Fault("file", "html"))
    assert path.read_bytes().startswith(b"<!DOCTYPE html>")


def test_garbage_has_the_right_size_and_no_format(path):
    fetch(path, Fault("file", "garbage"))
    with pytest.raises(DataError, match="expected GRIB, netCDF or zip"):
        decode(path)
    assert path.stat().st_size == len(good_file(path))


def test_a_flipped_byte_of_one_message_makes_a_value_out_of_range(path):
    fetch(path, Fault("file", "bit_flip"), variable=NAMES)
    values = decode(path).load()
    wild = sum(int((np.abs(values[name]) > 1e6).any(["latitude", "longitude"]).sum())
               for name in NAMES)  # fmt: skip
    assert wild == 1
    fetch(path, Fault("file", "bit_flip", part="data"))
    damaged = path.read_bytes()
    clean = good_file(path)
    assert len(clean) == len(damaged) and 1 <= sum(
        a != b for a, b in zip(clean, damaged, strict=True)
    ) <= 2  # fmt: skip


def test_a_flipped_netcdf_cannot_be_read_as_it_was(path):
    clean = good_file(path, data_format="netcdf")
    fetch(path, Fault("file", "bit_flip"), data_format="netcdf")
    assert path.read_bytes() != clean and path.stat().st_size == len(clean)


def test_a_slow_file_takes_its_time(path):
    start = time.monotonic()
    fetch(path, Fault("file", "slow", seconds=0.1, bytes_per_second=30_000))
    assert time.monotonic() - start > 0.1 + 0.9 * path.stat().st_size / 30_000
