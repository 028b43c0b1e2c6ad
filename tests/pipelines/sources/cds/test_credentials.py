from pathlib import Path

import pytest

from pipelines.errors import DataError
from pipelines.sources.cds.credentials import DEFAULT_URL, Credentials, read_credentials


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "cdsapirc"))


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cdsapirc").write_text("url: https://other.example/api\nkey: from-file\n")
    monkeypatch.setenv("CDSAPI_KEY", "from-environment")
    assert read_credentials() == Credentials(DEFAULT_URL, "from-environment")


def test_the_file_is_read_as_cdsapi_reads_it(tmp_path: Path) -> None:
    text = "# a comment\nurl: https://mirror.example/api/\nkey: abc-123\nverify: 0\n"
    (tmp_path / "cdsapirc").write_text(text)
    assert read_credentials() == Credentials("https://mirror.example/api", "abc-123", verify=False)


def test_without_a_key_the_message_says_where_one_is_found() -> None:
    with pytest.raises(DataError, match="no key .* set CDSAPI_KEY, or write .* /profile|profile"):
        read_credentials()


def test_a_file_without_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "cdsapirc").write_text("url: https://mirror.example/api\n")
    with pytest.raises(DataError, match="cdsapirc: found no line `key: ...`"):
        read_credentials()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cdsapirc").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"cannot be read \(UnicodeDecodeError\)"):
        read_credentials()


@pytest.mark.parametrize(
    ("url", "key", "reason"),
    [
        (DEFAULT_URL, " ", "empty key"),
        (DEFAULT_URL, "12345:abc-def", "uid:key, which .* no longer accepts"),
        ("http://cds.example/api", "abc", "travel unencrypted"),
        ("ftp://cds.example/api", "abc", "found the address 'ftp://cds.example/api'"),
        ("cds.example/api", "abc", "found the address"),
        ("https://[cds.example/api", "abc", "found the address"),
        (DEFAULT_URL, "abc-def\nghi-jkl", "blanks, line breaks or letters beyond ASCII"),
        (DEFAULT_URL, "abc-d\u00e9f", "blanks, line breaks or letters beyond ASCII"),
    ],
)
def test_what_would_not_work_or_betray_the_key_is_refused(url: str, key: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as error:
        Credentials(url, key)
    if key.strip() not in ("", "abc"):
        assert key not in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:1", "[::1]:8000"])
def test_this_machine_itself_needs_no_encryption(host: str) -> None:
    assert Credentials(f"http://{host}/api", "abc").url == f"http://{host}/api"


def test_the_key_is_not_shown() -> None:
    credentials = Credentials(DEFAULT_URL, "very-secret")
    assert "very-secret" not in repr(credentials)
    assert credentials.redacted("sent very-secret twice: very-secret") == "sent <key> twice: <key>"
