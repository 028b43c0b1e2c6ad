from pathlib import Path

import pytest

from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, current_state, history, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests.builders import FIELDS, FakeSource


def run(folder: Path, start: str, end: str) -> ArchiveState:
    return ingest(
        FakeSource(), period=Period(start, end), fields=FIELDS, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


def test_every_state_can_be_opened_again(tmp_path: Path):
    first = run(tmp_path, "2016-01-31", "2016-01-31")
    second = run(tmp_path, "2016-01-31", "2016-02-01")
    assert current_state(tmp_path / "archive") == second
    assert [entry["snapshot_id"] for entry in history(tmp_path / "archive")] == [
        first.snapshot_id, second.snapshot_id,
    ]  # fmt: skip
    assert second.months == ("2016-01", "2016-02")
    assert open_archive(tmp_path / "archive", first.snapshot_id).sizes["time"] == 24
    assert open_archive(tmp_path / "archive").sizes["time"] == 48


def test_absent_archive_has_no_state_and_no_history(tmp_path: Path):
    assert current_state(tmp_path / "none") is None
    assert history(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_unknown_snapshot_is_refused(tmp_path: Path):
    run(tmp_path, "2016-01-01", "2016-01-01")
    with pytest.raises(DataError, match="no snapshot 'XXXXXXXXXXXXXXXXXXX0'; the newest are"):
        open_archive(tmp_path / "archive", "XXXXXXXXXXXXXXXXXXX0")
