from pathlib import Path

import pytest
import xarray as xr

from flows.archive import archive
from flows.settings.config_error import ConfigError
from pipelines.archive.ingest import ingest
from pipelines.archive.storage import open_repository
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests.builders import FakeSource


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "160")
    for seed in (0, 1):
        ingest(
            FakeSource(seed=seed), period=Period("2016-01-31", "2016-02-01"),
            fields={"2m_temperature": ()}, grid=GridSettings(), raw_folder=tmp_path / "raw",
            path=tmp_path / "archive" / "fake", replace=True,
        )  # fmt: skip
    return tmp_path


def run(workspace: Path, *overrides: str) -> None:
    archive.fn([f"workspace={workspace}", *overrides])


def test_the_only_archive_of_a_workspace_needs_no_name(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(workspace)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["Month", "Snapshot", "Source", "Expver"]
    assert [line.split()[0] for line in lines[2:]] == ["2016-01", "2016-02", "2016-01", "2016-02"]
    assert ["replace" in line for line in lines[2:]] == [False, False, True, True]


def test_a_check_tells_a_damaged_archive_from_a_sound_one(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(workspace, "action=check")
    assert "no fault found" in capsys.readouterr().out
    chunks = list((workspace / "archive/fake/chunks").iterdir())
    largest = max(path.stat().st_size for path in chunks)  # those of hours and records are small
    fields = [path for path in chunks if path.stat().st_size > 0.8 * largest]
    newest = max(fields, key=lambda path: path.stat().st_mtime)
    newest.unlink()
    with pytest.raises(DataError, match="found 1 faults; expected none"):
        run(workspace, "action=check")
    assert "2016-02, 2m_temperature: " in capsys.readouterr().out


def test_an_export_is_plain_zarr(workspace: Path) -> None:
    run(workspace, "action=export", f"target={workspace / 'era5.zarr'}")
    with xr.open_zarr(workspace / "era5.zarr", chunks=None) as exported:
        assert exported.sizes["time"] == 48


def test_an_expiry_lists_first_and_removes_when_told(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expire = ("action=expire", "keep_newest=1")
    run(workspace, *expire)
    assert "3 states would go; dry_run=false removes them" in capsys.readouterr().out
    run(workspace, *expire, "dry_run=false")
    assert "3 states removed" in capsys.readouterr().out
    run(workspace, *expire)
    assert "0 states would go" in capsys.readouterr().out
    run(workspace, "action=check")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["action=burn"], "action is 'burn'; expected one of: history, check, export, expire"),
        (["action=export"], "target is null; expected the folder"),
        (["action=expire"], "keep_days and keep_newest are null; expected one"),
        (["action=expire", "keep_newest=0"], "keep_newest is 0; expected at least 1"),
        (["archive=nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_explained(workspace: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(workspace, *overrides)


def ingest_one_day(folder: Path, name: str, month: str) -> None:
    ingest(
        FakeSource(), period=Period(f"{month}-01", f"{month}-01"),
        fields={"2m_temperature": ()}, grid=GridSettings(), raw_folder=folder / "raw",
        path=folder / "archive" / name,
    )  # fmt: skip


def test_two_archives_need_a_name_unless_a_killed_start_left_one_empty(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_repository(workspace / "archive" / "other", create=True)
    run(workspace)
    assert capsys.readouterr().out.startswith(f"Archive {workspace / 'archive' / 'fake'}")
    ingest_one_day(workspace, "other", "2016-01")
    with pytest.raises(ConfigError, match="archive is null, found in .*fake, .*other; expected"):
        run(workspace)


def test_a_first_start_that_fails_leaves_no_archive(workspace: Path) -> None:
    with pytest.raises(DataError, match="the fake source ends in 2100"):
        ingest_one_day(workspace, "other", "2101-01")
    assert [p.name for p in (workspace / "archive").iterdir() if p.is_dir()] == ["fake"]
    with pytest.raises(DataError):  # what was there before stays
        ingest_one_day(workspace, "fake", "2101-01")
    run(workspace, "action=check")
