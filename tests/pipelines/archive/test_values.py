from pathlib import Path

import pytest

from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState
from pipelines.archive.values import used_values
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.sources.generated import Generated

FIELDS = {"2m_temperature": (), "mean_sea_level_pressure": ()}


def archive(
    folder: Path, last: str, fields: dict[str, tuple[int, ...]], seed: int = 0
) -> ArchiveState:
    return ingest(
        Generated(seed=seed), period=Period("2016-01-20", last), fields=fields,
        grid=GridSettings(resolution=22.5), raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


def named(state: ArchiveState, *names: str, last: str = "2016-01-31") -> str:
    first, end = Period("2016-01-25", last).first, Period("2016-01-25", last).last
    return used_values(state, fields={name: () for name in names}, first=first, last=end)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> ArchiveState:
    return archive(tmp_path_factory.mktemp("one"), "2016-01-31", FIELDS)


def test_a_later_month_and_another_variable_do_not_count(
    state: ArchiveState, tmp_path: Path
) -> None:
    longer = archive(tmp_path, "2016-02-10", FIELDS)
    assert longer.snapshot_id != state.snapshot_id
    assert named(longer, "2m_temperature") == named(state, "2m_temperature")
    assert named(longer, *FIELDS) != named(longer, "2m_temperature")
    assert named(longer, *FIELDS, last="2016-02-05") != named(longer, *FIELDS)
    alone = archive(tmp_path / "alone", "2016-01-31", {"2m_temperature": ()})
    assert named(alone, "2m_temperature") == named(state, "2m_temperature")
    assert check_archive(longer.path) == []


def test_other_values_count(state: ArchiveState, tmp_path: Path) -> None:
    other = archive(tmp_path, "2016-01-31", FIELDS, seed=1)
    assert named(other, "2m_temperature") != named(state, "2m_temperature")
