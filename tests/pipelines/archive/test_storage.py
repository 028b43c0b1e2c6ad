import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import icechunk
import pytest
import xarray as xr

from pipelines.archive import storage
from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, current_state, history, open_archive
from pipelines.archive.storage import BRANCH, S3Settings, open_repository
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.fields.verify_month import HourlyContent, read_content
from pipelines.period import Month, Period
from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FIELDS, FakeSource, fetched_months
from tests.s3_server import BUCKET, s3_server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


def run(path: str | Path, raw: Path, start: str, end: str, **changes: Any) -> ArchiveState:
    source = changes.pop("source", FakeSource())
    return ingest(
        source, period=Period(start, end), fields=FIELDS, grid=GridSettings(), raw_folder=raw,
        path=path, **changes,
    )  # fmt: skip


def test_archives_on_a_disk_and_on_s3_are_identical(tmp_path: Path, endpoint: str):
    paths: list[str | Path] = [tmp_path / "archive", f"s3://{BUCKET}/both/archive"]
    for path in paths:
        run(path, tmp_path / "raw", "2016-01-30", "2016-02-03")
        state = run(path, tmp_path / "raw", "2016-02-01", "2016-02-05",
                    source=FakeSource(seed=1), replace=True)  # fmt: skip
        assert state == current_state(path)
        assert state.path == str(path)
        xr.testing.assert_identical(state.open().load(), open_archive(path).load())
    local, remote = (open_archive(path).load() for path in paths)
    xr.testing.assert_identical(local, remote)
    for name in FIELDS:
        assert local[name].encoding["chunks"] == remote[name].encoding["chunks"]
    differing = {"snapshot_id", "written_at", "committed_at"}
    for ours, theirs in zip(*(history(path) for path in paths), strict=True):
        assert ours.keys() == theirs.keys()
        assert {key for key in ours if ours[key] != theirs[key]} <= differing


def test_s3_is_reached_by_settings_as_well(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    monkeypatch.delenv("AWS_REGION")
    s3 = S3Settings(endpoint_url=endpoint, region="us-east-1", allow_http=True)
    path = f"s3://{BUCKET}/by-settings"
    state = run(path, tmp_path / "raw", "2016-01-01", "2016-01-01", s3=s3)
    assert state.open().sizes["time"] == open_archive(path, s3=s3).sizes["time"] == 24
    assert current_state(path, s3=s3) == state


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        ("s3://weather", {}, "no bucket or no prefix; expected s3://bucket/a/b"),
        ("s3:/weather/archive", {}, "is no address; expected text such as s3://"),
        (Path("s3://weather/archive"), {}, "is no address"),
        ("s3://weather/x", {"allow_http": False}, "expected https:// there, or .*allow_http"),
        ("s3://absent/archive", {}, "s3://absent/archive cannot be opened: .*bucket does not exi"),
    ],
)
def test_wrong_address_is_refused_in_one_line(
    endpoint: str, path: str | Path, settings: dict[str, Any], message: str
):
    with pytest.raises(DataError, match=message) as refusal:
        open_repository(path, create=True, s3=S3Settings(**settings))
    assert "\n" not in str(refusal.value)


def test_amazon_needs_a_region(monkeypatch: pytest.MonkeyPatch):
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    with pytest.raises(DataError, match="no region is set for s3://weather/archive; expected"):
        open_repository("s3://weather/archive", create=False)


def test_prefix_with_other_objects_is_no_place_for_an_archive(tmp_path: Path, endpoint: str):
    run(f"s3://{BUCKET}/taken/inside", tmp_path / "raw", "2016-01-01", "2016-01-01")
    with pytest.raises(DataError, match="s3://weather/taken cannot be opened"):
        open_repository(f"s3://{BUCKET}/taken", create=True)


def test_two_writers_at_once_on_s3_lose_nothing(tmp_path: Path, endpoint: str):
    """Both want the same months; whoever is second at one finds it there, or starts it anew."""
    path = f"s3://{BUCKET}/writers/together"
    source = MeetingSource(barrier=threading.Barrier(2))
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(run, path, tmp_path / name, "2016-01-30", end, source=source)
            for name, end in (("a", "2016-02-03"), ("b", "2016-02-04"))
        ]
        for job in jobs:
            job.result()
    assert len(fetched_months(tmp_path / "a")) + len(fetched_months(tmp_path / "b")) >= 3
    assert_whole(path, tmp_path, end="2016-02-04")


@pytest.mark.parametrize("moment", ["fetch", "verify"])
def test_other_writers_commit_is_seen_before_ones_own(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch, moment: str
):
    """The other commits while this one fetches, or when it is about to commit."""
    path = f"s3://{BUCKET}/writers/{moment}"
    others: list[ArchiveState] = []

    def other_writes() -> None:
        if not others:
            others.append(ArchiveState("", "", ()))
            others.append(run(path, tmp_path / "other", "2016-01-30", "2016-02-02"))

    def check_then_write(*arguments: Any) -> dict[str, HourlyContent]:
        values = read_content(*arguments)
        other_writes()
        return values

    run(path, tmp_path / "raw", "2016-01-30", "2016-01-31")
    if moment == "verify":
        monkeypatch.setattr("pipelines.archive.month.read_content", check_then_write)
    source = InterruptedSource(meanwhile=other_writes if moment == "fetch" else lambda: None)
    state = run(path, tmp_path / "raw", "2016-02-01", "2016-02-04", source=source)
    actions = [(entry["month"], entry["action"]) for entry in history(path)]
    assert actions == [("2016-01", "append"), ("2016-02", "append"), ("2016-02", "extend")]
    assert history(path)[1]["snapshot_id"] == others[1].snapshot_id != state.snapshot_id
    assert_whole(path, tmp_path, end="2016-02-04")


def test_writer_that_is_always_late_gives_up(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pipelines.archive.ingest._ATTEMPTS", 3)
    path = f"s3://{BUCKET}/writers/late"
    run(path, tmp_path / "raw", "2016-01-30", "2016-02-01")
    seeds = itertools.count(1)

    def other_writes() -> None:
        run(path, tmp_path / "other", "2016-01-30", "2016-01-30",
            source=FakeSource(seed=next(seeds)), replace=True)  # fmt: skip

    with pytest.raises(DataError, match="2016-02: other processes .* 3 times .* run again when"):
        run(path, tmp_path / "raw", "2016-02-01", "2016-02-02",
            source=InterruptedSource(meanwhile=other_writes))  # fmt: skip
    assert [entry["month"] for entry in history(path)] == ["2016-01", "2016-02", *["2016-01"] * 3]
    assert check_archive(path) == []


def test_two_makers_at_once_on_s3_get_the_same_archive(endpoint: str):
    for number in range(10):
        path = f"s3://{BUCKET}/made-twice/{number}"
        barrier = threading.Barrier(2)

        def make(path: str = path, barrier: threading.Barrier = barrier) -> str:
            barrier.wait(timeout=30)
            repository = open_repository(path, create=True)
            assert repository is not None
            return repository.lookup_branch(BRANCH)

        with ThreadPoolExecutor(2) as pool:
            first, second = [pool.submit(make) for _ in range(2)]
            assert first.result() == second.result()


def test_half_made_local_archive_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    create = icechunk.Repository.create

    def create_and_die(storage: icechunk.Storage) -> None:
        create(storage)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(icechunk.Repository, "create", create_and_die)
        open_repository(tmp_path / "archive", create=True)
    assert current_state(tmp_path / "archive") is None
    assert run(tmp_path / "archive", tmp_path / "raw", "2016-01-01", "2016-01-01").months


@dataclass(frozen=True)
class InterruptedSource(FakeSource):
    """A source during whose work something else happens."""

    meanwhile: Callable[[], None] = field(default=lambda: None, compare=False)

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        self.meanwhile()
        return super().fetch(request, raw_folder)


@dataclass(frozen=True)
class MeetingSource(FakeSource):
    """A source that two writers leave at the same time, for their first month."""

    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(1), compare=False)

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        month = super().fetch(request, raw_folder)
        if request.month == Month(2016, 1):
            self.barrier.wait(timeout=30)
        return month


def assert_whole(path: str, folder: Path, *, end: str) -> None:
    """Compare with an archive that one writer made, and check it."""
    run(folder / "archive", folder / "raw", "2016-01-30", end)
    expected = open_archive(folder / "archive").load()
    xr.testing.assert_identical(open_archive(path).load(), expected)
    assert check_archive(path) == []


def test_a_folder_that_threads_still_write_to_is_removed_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.001):
            with contextlib.suppress(OSError):
                (folder / "chunks").mkdir(parents=True, exist_ok=True)
                (folder / "chunks" / str(number)).touch()
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    threading.Timer(0.3, stop.set).start()
    storage._remove(folder)
    writer.join()
    assert not folder.exists()
