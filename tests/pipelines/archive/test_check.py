import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from pipelines.archive.check import Finding, check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, open_archive
from pipelines.archive.storage import BRANCH, open_repository
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests.builders import FakeSource

FIELDS = {"2m_temperature": (), "relative_humidity": (850,)}


def run(folder: Path, start: str, end: str) -> ArchiveState:
    return ingest(
        FakeSource(), period=Period(start, end), fields=FIELDS, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


def chunks(folder: Path) -> set[Path]:
    return set((folder / "archive" / "chunks").iterdir())


def flip_a_bit(chunk: Path) -> None:
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)


def cut_off(chunk: Path) -> None:
    chunk.write_bytes(chunk.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off, Path.unlink])
def test_damaged_chunk_is_named_by_month_and_variable(
    tmp_path: Path, damage: Callable[[Path], None]
):
    run(tmp_path, "2016-01-31", "2016-01-31")
    january = chunks(tmp_path)
    run(tmp_path, "2016-01-31", "2016-02-02")
    assert check_archive(tmp_path / "archive") == []
    february = chunks(tmp_path) - january
    named = []
    for chunk in february:
        content = chunk.read_bytes()
        damage(chunk)
        (finding,) = check_archive(tmp_path / "archive")
        assert "cannot be read: " in finding.problem
        assert "\n" not in str(finding)
        named.append((finding.month, finding.variable))
        chunk.write_bytes(content)
    days = [("2016-02", name) for name in FIELDS for _ in range(2)]
    assert sorted(entry for entry in named if entry != (None, None)) == sorted(days)
    assert check_archive(tmp_path / "archive") == []


def change(folder: Path, edit: Callable[[zarr.Group], None]) -> None:
    """Commit something behind the back of every check."""
    repository = open_repository(folder / "archive", create=False)
    assert repository is not None
    session = repository.writable_session(BRANCH)
    edit(zarr.open_group(session.store, mode="r+"))
    session.commit("by hand", metadata={"month": "2016-02"})


def skip_an_hour(group: zarr.Group) -> None:
    group["time"][30:] = group["time"][30:] + 1


def rename_expver(group: zarr.Group) -> None:
    group["expver"][24:30] = "0005"


def make_hot(group: zarr.Group) -> None:
    group["2m_temperature"][30] = 400.0


def lose_a_value(group: zarr.Group) -> None:
    group["relative_humidity"][30, 0, 1, 1] = np.nan


def lose_a_record(group: zarr.Group) -> None:
    group["months/record"].resize((1,))


def add_a_record(group: zarr.Group) -> None:
    record = json.loads(str(group["months/record"][1]))
    group["months/record"].resize((3,))
    group["months/record"][2] = json.dumps({**record, "month": "2016-03"})


def change_settings(group: zarr.Group) -> None:
    settings = json.loads(str(group.attrs["settings"]))
    group.attrs["settings"] = json.dumps(settings | {"weather": "observed, they say"})


def start_late(group: zarr.Group) -> None:
    group["time"][:] = group["time"][:] + 1


@pytest.mark.parametrize(
    ("edit", "findings"),
    [
        (skip_an_hour, [("2016-02", None, "found 2016-02-01T07 after 2016-02-01T05")]),
        (rename_expver, [("2016-02", None, 'found expver {"0005": 6, "0001": 42}; expected {')]),
        (make_hot, [("2016-02", "2m_temperature", "2m_temperature is 400 K at 2016-02-01T06")]),
        (lose_a_value, [("2016-02", "relative_humidity", "at 850 hPa has no value at 1 of 12")]),
        (lose_a_record, [("2016-02", None, "found hours without a record")]),
        (add_a_record, [("2016-03", None, "found a record without hours")]),
        (change_settings, [("2016-01", None, "made with settings"), ("2016-02", None, "expected")]),
        (start_late, [(None, None, "starts at 2016-01-31T01; expected hour 00 of a day")]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_found(
    tmp_path: Path, edit: Callable[[zarr.Group], None], findings: list[tuple[str, str, str]]
):
    run(tmp_path, "2016-01-31", "2016-02-02")
    change(tmp_path, edit)
    found = check_archive(tmp_path / "archive")
    for month, variable, text in findings:
        assert any(
            (f.month, f.variable) == (month, variable) and text in f.problem for f in found
        ), found


def test_older_state_is_checked_as_it_was(tmp_path: Path):
    state = run(tmp_path, "2016-01-31", "2016-02-02")
    change(tmp_path, make_hot)
    assert check_archive(tmp_path / "archive", snapshot_id=state.snapshot_id) == []
    assert len(check_archive(tmp_path / "archive")) == 1


def test_absent_archive_and_state_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="found no archive"):
        check_archive(tmp_path / "none")
    run(tmp_path, "2016-01-31", "2016-01-31")
    with pytest.raises(DataError, match="no snapshot"):
        check_archive(tmp_path / "archive", snapshot_id="XXXXXXXXXXXXXXXXXXX0")


def test_finding_reads_as_a_sentence():
    assert str(Finding("2016-02", "2m_temperature", "broken")) == "2016-02, 2m_temperature: broken"
    assert str(Finding(None, None, "broken")) == "broken"


def test_chunks_carry_checksums(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-01-31")
    (compressor,) = open_archive(tmp_path / "archive")["2m_temperature"].encoding["compressors"]
    assert compressor.checksum
