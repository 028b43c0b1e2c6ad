from pathlib import Path

import pytest

from pipelines.archive.expiry import ExpiryRule, expire_snapshots
from pipelines.archive.history import HISTORY_COLUMNS, describe_expver, history_table
from pipelines.archive.ingest import ingest
from pipelines.archive.state import history
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests.builders import FakeSource


def run(folder: Path, start: str, end: str, **source: int | str) -> None:
    ingest(
        FakeSource(**source), period=Period(start, end), fields={"2m_temperature": ()},
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive", replace=True,
    )  # fmt: skip


def test_table_tells_what_was_done(tmp_path: Path):
    run(tmp_path, "2016-01-30", "2016-02-01", expver="0005")
    run(tmp_path, "2016-01-31", "2016-01-31", seed=1)
    commits = history(tmp_path / "archive")
    table = history_table(tmp_path / "archive")
    assert all(tuple(row) == HISTORY_COLUMNS for row in table)
    told = [(row["month"], row["action"], row["expver"]) for row in table]
    assert told == [
        ("2016-01", "append", "preliminary"),
        ("2016-02", "append", "preliminary"),
        ("2016-01", "replace", "final"),
    ]
    assert [row["snapshot"] for row in table] == [commit["snapshot_id"] for commit in commits]
    assert {row["source"] for row in table} == {"fake"}
    assert [row["when"] for row in table] == sorted(row["when"] for row in table)
    largest = commits[-1]["largest_change"]["2m_temperature"]
    assert [row["largest change"] for row in table] == [
        "", "", f"2m_temperature {largest:g} (48 hours)"
    ]  # fmt: skip


def test_months_whose_commits_have_expired_are_still_told(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-02-02")
    before = history_table(tmp_path / "archive")
    expire_snapshots(tmp_path / "archive", ExpiryRule(keep_newest=1))
    first, second = history_table(tmp_path / "archive")
    assert first == {**before[0], "snapshot": "expired"}
    assert second == before[1]


def test_mixed_months_are_told_with_counts():
    assert describe_expver({"0001": 24}) == "final"
    assert describe_expver({"0005": 24}) == "preliminary"
    assert describe_expver({"0001": 700, "0005": 44}) == "mixed (700 final, 44 preliminary)"
    assert describe_expver({"0099": 24}) == "0099"


def test_absent_archive_has_no_table(tmp_path: Path):
    with pytest.raises(DataError, match="found no archive"):
        history_table(tmp_path / "none")
