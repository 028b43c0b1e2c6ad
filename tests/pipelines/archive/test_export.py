from pathlib import Path

import filelock
import pytest
import xarray as xr
import zarr

from met2net import __version__
from pipelines.archive.export import export_zarr
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests.builders import FIELDS, FakeSource


def run(folder: Path, start: str, end: str) -> ArchiveState:
    return ingest(
        FakeSource(), period=Period(start, end), fields=FIELDS, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


def test_export_is_the_state_as_plain_zarr(tmp_path: Path):
    first = run(tmp_path, "2016-01-30", "2016-01-31")
    newest = run(tmp_path, "2016-01-30", "2016-02-02")
    for state in (first, newest):
        target = tmp_path / "exports" / state.snapshot_id
        chosen = None if state is newest else state.snapshot_id
        assert export_zarr(tmp_path / "archive", target, snapshot_id=chosen) == target
        exported = xr.open_zarr(target).load()  # consolidated, or it would warn
        expected = open_archive(tmp_path / "archive", state.snapshot_id).load()
        assert exported.attrs.pop("archive_snapshot") == state.snapshot_id
        when, what = exported.attrs.pop("history").split(" ", 1)
        assert what == f"met2net {__version__}: exported from snapshot {state.snapshot_id}"
        assert exported.attrs == expected.attrs
        # Beside what the archive has stands what CF readers look for.
        xr.testing.assert_equal(exported.drop_vars(["height_2m", "height_10m"]), expected)
        for name, array in expected.variables.items():
            assert exported[name].attrs.items() >= array.attrs.items(), name
        assert zarr.open_group(target, mode="r").metadata.consolidated_metadata is not None
        assert {p.name for p in target.parent.iterdir() if p.name.endswith(".partial")} == set()


def test_existing_target_is_left_alone(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-01-31")
    target = tmp_path / "export"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="export exists already; expected the name of a new"):
        export_zarr(tmp_path / "archive", target)
    assert [p.name for p in target.iterdir()] == ["notes.txt"]


def test_failed_export_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run(tmp_path, "2016-01-31", "2016-01-31")
    target = tmp_path / "export.zarr"

    def fail(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipelines.archive.export._consolidate", fail)
        export_zarr(tmp_path / "archive", target)
    assert not target.exists()
    (tmp_path / ".export.zarr.partial").mkdir()  # as a killed process leaves it
    export_zarr(tmp_path / "archive", target)
    assert xr.open_zarr(target).sizes["time"] == 24


def test_two_exports_to_one_place_are_refused(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-01-31")
    with (
        filelock.FileLock(tmp_path / ".export.lock"),
        pytest.raises(DataError, match="another process is exporting to"),
    ):
        export_zarr(tmp_path / "archive", tmp_path / "export")


def test_unknown_state_is_refused(tmp_path: Path):
    run(tmp_path, "2016-01-31", "2016-01-31")
    with pytest.raises(DataError, match="no snapshot"):
        export_zarr(tmp_path / "archive", tmp_path / "x", snapshot_id="XXXXXXXXXXXXXXXXXXX0")
    assert not (tmp_path / "x").exists()
