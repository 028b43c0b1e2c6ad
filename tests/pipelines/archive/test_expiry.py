import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from pipelines.archive.check import check_archive
from pipelines.archive.expiry import (
    ExpiredSnapshot,
    ExpiryRule,
    expire_snapshots,
    expiring_snapshots,
)
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, current_state, history, open_archive
from pipelines.archive.storage import BRANCH, open_repository
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests.builders import FakeSource
from tests.s3_server import BUCKET, s3_server


def run(folder: Path, path: str | Path, start: str, end: str, **source: Any) -> ArchiveState:
    return ingest(
        FakeSource(**source), period=Period(start, end), fields={"2m_temperature": ()},
        grid=GridSettings(), raw_folder=folder / "raw", path=path, replace=True,
    )  # fmt: skip


def make_four(folder: Path, path: str | Path) -> list[ArchiveState]:
    """Append two months, and replace each."""
    return [
        run(folder, path, "2016-01-31", "2016-01-31"),
        run(folder, path, "2016-02-01", "2016-02-02"),
        run(folder, path, "2016-02-01", "2016-02-02", seed=1),
        run(folder, path, "2016-01-31", "2016-01-31", seed=2),
    ]


def files(folder: Path) -> int:
    return len(list((folder / "archive" / "chunks").iterdir()))


def test_snapshots_outside_the_rule_are_removed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "archive"
    states = make_four(tmp_path, path)
    before = open_archive(path).load()
    num_files = files(tmp_path)
    rule = ExpiryRule(keep_newest=2)
    with caplog.at_level(logging.INFO):
        expiry = expire_snapshots(path, rule)
    removed = [(s.snapshot_id, s.month) for s in expiry.snapshots]
    assert removed == [(states[0].snapshot_id, "2016-01"), (states[1].snapshot_id, "2016-02")]
    assert [s in caplog.text for s, _ in removed] == [True, True]
    assert expiry.num_chunks == num_files - files(tmp_path) > 0
    assert expiry.num_bytes > 0
    assert [entry["snapshot_id"] for entry in history(path)] == [s.snapshot_id for s in states[2:]]
    for state in states[:2]:
        with pytest.raises(DataError, match=f"no snapshot '{state.snapshot_id}'.*when they expire"):
            state.open()
    states[2].open().load()
    assert current_state(path) == states[3]
    xr.testing.assert_identical(open_archive(path).load(), before)
    assert check_archive(path) == []
    assert expire_snapshots(path, rule).snapshots == ()
    run(tmp_path, path, "2016-02-01", "2016-02-03")
    assert check_archive(path) == []


def test_days_are_counted_from_now(tmp_path: Path):
    path = tmp_path / "archive"
    states = make_four(tmp_path, path)
    repository = open_repository(path, create=False)
    assert repository is not None
    times = {s.id: s.written_at for s in repository.ancestry(branch=BRANCH)}
    now = times[states[2].snapshot_id] + timedelta(days=10)
    rule = ExpiryRule(keep_days=10)
    expected = tuple(
        ExpiredSnapshot(s.snapshot_id, s.months[-1], times[s.snapshot_id]) for s in states[:2]
    )
    assert expiring_snapshots(path, rule, now=now) == expected
    both = ExpiryRule(keep_days=10, keep_newest=3)
    assert expiring_snapshots(path, both, now=now) == expected[:1]
    assert expiring_snapshots(path, ExpiryRule(keep_days=11), now=now) == ()
    assert len(history(path)) == 4
    assert expire_snapshots(path, rule, now=now).snapshots == expected


def test_newest_state_never_expires(tmp_path: Path):
    path = tmp_path / "archive"
    states = make_four(tmp_path, path)
    expire_snapshots(path, ExpiryRule(keep_days=1e-9))
    assert current_state(path) == states[3]
    assert check_archive(path) == []


def test_what_a_stopped_writer_left_is_cleared(tmp_path: Path):
    path = tmp_path / "archive"
    run(tmp_path, path, "2016-01-31", "2016-01-31")
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.archive.month.read_content", interrupt)
        run(tmp_path, path, "2016-01-31", "2016-02-02")
    run(tmp_path, path, "2016-01-31", "2016-02-02")
    expiry = expire_snapshots(path, ExpiryRule(keep_newest=1))
    assert expiry.num_chunks >= 2  # its two days
    assert check_archive(path) == []


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_snapshots_on_s3_expire_as_well(tmp_path: Path):
    with s3_server():
        path = f"s3://{BUCKET}/archive"
        states = make_four(tmp_path, path)
        expiry = expire_snapshots(path, ExpiryRule(keep_newest=1))
        assert [s.snapshot_id for s in expiry.snapshots] == [s.snapshot_id for s in states[:3]]
        with pytest.raises(DataError, match="has no snapshot"):
            states[0].open()
        assert check_archive(path) == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "neither keep_days nor keep_newest is given"),
        ({"keep_days": 0}, "keep_days is 0; expected more than 0"),
        ({"keep_newest": 0}, "keep_newest is 0; expected at least 1"),
    ],
)
def test_rule_must_keep_something(rule: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        ExpiryRule(**rule)


def test_absent_archive_is_refused(tmp_path: Path):
    for function in (expire_snapshots, expiring_snapshots):
        with pytest.raises(DataError, match="found no archive"):
            function(tmp_path / "none", ExpiryRule(keep_newest=1))
    assert not (tmp_path / "none").exists()
