"""A damaged chunk of an archive: refused in one line, and mended by fetching again."""

from pathlib import Path

import pytest
import xarray as xr

from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.state import current_state, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FakeSource

FIELDS = {"2m_temperature": ()}
SETTINGS = TrainingSetSettings(
    {"t2m": ("t2m",)},
    Splits(
        Period("2016-01-01", "2016-01-03"),
        Period("2016-01-04", "2016-01-04"),
        Period("2016-01-05", "2016-01-05"),
    ),
)


def bring_in(folder: Path, source: FakeSource, *, last: str = "2016-01-05") -> None:
    ingest(
        source, period=Period("2016-01-01", last), fields=FIELDS, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive", replace=True,
    )  # fmt: skip


def damage(folder: Path) -> None:
    """Change a byte of every chunk."""
    for path in (folder / "archive" / "chunks").rglob("*"):
        if path.is_file():
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 0xFF
            path.write_bytes(bytes(content))


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    bring_in(tmp_path, FakeSource())
    damage(tmp_path)
    assert [finding.month for finding in check_archive(tmp_path / "archive")] == ["2016-01"]
    return tmp_path


def test_it_gets_into_no_training_set(damaged: Path) -> None:
    state = current_state(damaged / "archive")
    assert state is not None
    with pytest.raises(
        DataError,
        match=r"t2m cannot be read from 2016-01-01T00 to .*; expected sound chunks: .*replace=true",
    ) as caught:
        build_training_set(state, SETTINGS, folder=damaged / "sets")
    assert "\n" not in str(caught.value)
    assert not list((damaged / "sets").glob("*.zarr"))


@pytest.mark.parametrize("source", [FakeSource(), FakeSource(expver="0005")])
def test_the_same_files_and_other_ones_mend_it(
    damaged: Path, tmp_path_factory: pytest.TempPathFactory, source: FakeSource
) -> None:
    bring_in(damaged, source)
    assert check_archive(damaged / "archive") == []
    sound = tmp_path_factory.mktemp("sound")
    bring_in(sound, source)
    xr.testing.assert_identical(
        open_archive(damaged / "archive").load(), open_archive(sound / "archive").load()
    )


def test_hours_that_join_on_mend_it_too(damaged: Path) -> None:
    bring_in(damaged, FakeSource(), last="2016-01-08")
    assert check_archive(damaged / "archive") == []


def test_a_trouble_that_is_no_damage_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in(tmp_path, FakeSource())

    def failing(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("pipelines.archive.change.compare", failing)
    with pytest.raises(RuntimeError, match="new thread"):
        bring_in(tmp_path, FakeSource(seed=0, expver="0005"))
