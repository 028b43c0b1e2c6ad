"""A web page in the place of data says so, wherever it came from."""

from pathlib import Path

import pytest

from pipelines.errors import DataError
from pipelines.formats.decode import decode
from pipelines.formats.web_page import web_page

PAGES = {
    b"<html><body>Please <b>sign</b> in.</body></html>": "a web page (HTML: 'Please sign in.')",
    b"<!DOCTYPE HTML>\n<html><head><title>503 Service\n Unavailable</title></head><p>Sorry":
        "a web page (HTML: '503 Service Unavailable')",
    b"\xef\xbb\xbf \r\n<!-- proxy --><?xml version='1.0'?><html><style>b {}</style>Hi":
        "a web page (HTML: 'Hi')",
    b"<HTML></HTML>": "a web page (HTML)",
}  # fmt: skip


@pytest.mark.parametrize(("start", "told"), PAGES.items())
def test_a_page_is_told_by_its_title_or_first_words(start: bytes, told: str) -> None:
    assert web_page(start) == told
    assert web_page(start.decode("utf-8")) == told


@pytest.mark.parametrize(
    "start", [b"", b"GRIB", b"CDF\x01", b"{}", b"<?xml version='1.0'?><Error>", b"\xff\xfe<html>"]
)
def test_anything_else_is_no_page(start: bytes) -> None:
    assert web_page(start) is None


def test_a_page_saved_as_a_file_of_weather_is_refused_as_one(tmp_path: Path) -> None:
    path = tmp_path / "era5.nc"
    path.write_bytes(next(iter(PAGES)))
    with pytest.raises(DataError, match=r"era5.nc: found a web page \(HTML: 'Please sign in.'\); "):
        decode(path)
