"""Archives of every so many hours, and that hourly ones are what they were before."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.location import archive_location
from pipelines.archive.reconcile import reconcile
from pipelines.archive.state import ArchiveState, history, open_archive
from pipelines.archive.storage import BRANCH, open_repository
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.fingerprint import fingerprint
from pipelines.period import Month, Period
from tests.builders import FIELDS, FakeSource, make_month


def run(folder: Path, start: str, end: str, step: int, **changes) -> ArchiveState:
    return ingest(
        changes.pop("source", FakeSource()), period=Period(start, end), fields=FIELDS,
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive",
        step_hours=step, **changes,
    )  # fmt: skip


@pytest.mark.parametrize("step", [3, 6, 12, 24])
def test_an_archive_holds_every_so_many_hours_of_the_source(tmp_path: Path, step: int):
    run(tmp_path, "2016-01-31", "2016-02-01", step)
    state = run(tmp_path, "2016-01-31", "2016-02-03", step)  # extends a partial month
    wanted = np.arange("2016-01-31T00", "2016-02-04T00", step, dtype="datetime64[h]")
    stored = open_archive(tmp_path / "archive")
    np.testing.assert_array_equal(stored["time"].values.astype("datetime64[h]"), wanted)
    expected = make_month(wanted)
    for name in FIELDS:
        np.testing.assert_array_equal(stored[name].values, expected[name].values)
    assert state.months == ("2016-01", "2016-02")
    assert [entry["is_partial"] for entry in history(tmp_path / "archive")] == [True] * 3
    assert check_archive(tmp_path / "archive") == []


def test_a_chunk_is_a_day_whatever_the_step_and_a_whole_month_is_not_partial(tmp_path: Path):
    run(tmp_path, "2016-02-01", "2016-03-02", 6)
    repository = open_repository(tmp_path / "archive", create=False)
    assert repository is not None
    root = zarr.open_group(repository.readonly_session(BRANCH).store, mode="r")
    assert root["2m_temperature"].chunks[0] == 4  # type: ignore[union-attr]
    assert [entry["is_partial"] for entry in history(tmp_path / "archive")] == [False, True]
    # A month before the last one is replaced in place, and the last one extended.
    other = FakeSource(seed=1)
    run(tmp_path, "2016-02-01", "2016-03-04", 6, source=other, replace=True)
    stored = open_archive(tmp_path / "archive")
    expected = make_month(stored["time"].values, seed=1)["2m_temperature"]
    np.testing.assert_array_equal(stored["2m_temperature"].values, expected.values)
    assert check_archive(tmp_path / "archive") == []


def test_a_month_that_starts_a_step_later_than_the_archive_ends_is_no_gap(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-01-31", 12)
    assert run(tmp_path, "2016-02-01", "2016-02-01", 12).months == ("2016-01", "2016-02")
    with pytest.raises(DataError, match="ends at 2016-02-01T12; expected hours from 2016-02-02T00"):
        run(tmp_path, "2016-02-03", "2016-02-03", 12)


@pytest.mark.parametrize(("before", "after"), [(1, 6), (6, 1), (6, 3)])
def test_an_archive_keeps_its_step(tmp_path: Path, before: int, after: int):
    run(tmp_path, "2016-01-31", "2016-01-31", before)
    state = run(tmp_path, "2016-01-31", "2016-01-31", before)
    with pytest.raises(DataError, match=f"made with step_hours {before}; found {after}. Other"):
        run(tmp_path, "2016-01-31", "2016-02-01", after)
    assert run(tmp_path, "2016-01-31", "2016-01-31", before) == state


def test_months_in_preliminary_form_are_fetched_again_with_their_step(tmp_path: Path):
    run(tmp_path, "2016-01-30", "2016-01-31", 6, source=FakeSource(expver="0005"))
    reconcile(
        FakeSource(), fields=FIELDS, grid=GridSettings(), raw_folder=tmp_path / "raw",
        path=tmp_path / "archive", step_hours=6,
    )  # fmt: skip
    stored = open_archive(tmp_path / "archive")
    assert stored["expver"].values.tolist() == ["0001"] * 8
    assert history(tmp_path / "archive")[-1]["action"] == "replace"


def test_a_missing_time_of_a_coarse_archive_is_a_finding(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-01-31", 6)
    repository = open_repository(tmp_path / "archive", create=False)
    assert repository is not None
    session = repository.writable_session(BRANCH)
    zarr.open_group(session.store, mode="r+")["time"][2] += 1  # type: ignore[index,operator]
    session.commit("by hand", metadata={"month": "2016-01"})
    found = [str(finding) for finding in check_archive(tmp_path / "archive")]
    assert any("found 2016-01-31T13 after 2016-01-31T06; expected the hour 6 hours later" in text
               for text in found)  # fmt: skip


def test_what_cannot_be_a_step_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="step_hours is 5; expected one of 1, 2, 3, 4, 6, 8, 12"):
        run(tmp_path, "2016-01-31", "2016-01-31", 5)
    with pytest.raises(DataError, match="none of the hours 24 h apart from hour 00 on"):
        run(tmp_path, "2016-01-31T01", "2016-01-31T23", 24)
    assert not (tmp_path / "archive").exists()


def test_hourly_archives_are_named_and_described_as_before_steps_were_known(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-01-31", 1)
    settings = json.loads(open_archive(tmp_path / "archive").attrs["settings"])
    assert set(settings) == {"weather", "grid", "fields"}
    plain = {name: list(levels) for name, levels in FIELDS.items()}
    arguments = {"source": FakeSource(), "fields": FIELDS, "grid": GridSettings()}
    before = f"{tmp_path}/archive/fake-{fingerprint(FakeSource(), plain, GridSettings())}"
    assert archive_location(None, tmp_path, **arguments) == before
    assert archive_location(None, tmp_path, **arguments, step_hours=6) != before


def test_steps_are_counted_from_hour_00_wherever_a_period_starts():
    hours = Period("2016-01-31T05", "2016-02-01T13").hours(6)
    assert hours.astype(str).tolist() == [
        "2016-01-31T06", "2016-01-31T12", "2016-01-31T18", "2016-02-01T00", "2016-02-01T06",
        "2016-02-01T12",
    ]  # fmt: skip
    february = Period("2016-01-31T05", "2016-02-01T13").hours_in(Month(2016, 2), 12)
    assert february.astype(str).tolist() == ["2016-02-01T00", "2016-02-01T12"]
    assert len(Month(2016, 2).hours(3)) == 29 * 8
