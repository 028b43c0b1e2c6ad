"""An archive takes a variable that lacks values at the same points at every hour, and no other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from met2net.data.grid import Grid
from pipelines.archive import same_mask
from pipelines.archive.ingest import ingest
from pipelines.archive.plan import MonthPlan
from pipelines.archive.state import ArchiveState, current_state, open_archive
from pipelines.errors import DataError
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FakeSource, make_month

SST = "sea_surface_temperature"


@dataclass(frozen=True)
class Sea(FakeSource):
    """Land in the first row; another row of it in one month; a point that dries up in one hour."""

    other_month: str = ""
    dry_hour: str = ""

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        month = make_month(request.hours, fields=request.fields)
        row = 2 if str(request.month) == self.other_month else 0
        month[SST][:, row] = np.nan
        month[SST][request.hours == np.datetime64(self.dry_hour or "NaT"), 1, 2] = np.nan
        return RawMonth(month, {"source": "fake", "of": repr(self)})


def run(folder: Path, source: Sea, start: str, end: str, *, replace: bool = False) -> ArchiveState:
    return ingest(
        source, period=Period(start, end), fields={SST: (), "2m_temperature": ()},
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive", replace=replace,
    )  # fmt: skip


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_mask_that_moves_is_refused_and_nothing_is_written(tmp_path: Path):
    with pytest.raises(
        DataError,
        match="has no value at 5 points at 2016-01-02T03 and at 4 at 2016-01-01T00: 1 points "
        "differ, first at latitude 24, longitude 112; expected the same points without a value",
    ):
        run(tmp_path, Sea(dry_hour="2016-01-02T03"), "2016-01-01", "2016-01-02")
    with pytest.raises(DataError, match="found no archive"):
        open_archive(tmp_path / "archive")


def test_a_later_month_with_another_mask_is_refused_and_the_archive_stays(tmp_path: Path):
    state = run(tmp_path, Sea(), "2016-01-30", "2016-01-31")
    before = contents(tmp_path / "archive")
    with pytest.raises(
        DataError,
        match="2016-02: .* has no value at 4 points at 2016-02-01T00, and the archive at 4 points "
        "at 2016-01-31T23: 8 points differ; expected the same points",
    ):
        run(tmp_path, Sea(other_month="2016-02"), "2016-01-30", "2016-02-01")
    after = contents(tmp_path / "archive")  # what was begun may lie beside it
    assert before == {path: after[path] for path in before}
    assert current_state(tmp_path / "archive") == state


def test_the_first_month_is_held_to_the_next_when_it_is_replaced(tmp_path: Path):
    run(tmp_path, Sea(), "2016-01-31", "2016-02-01")
    with pytest.raises(DataError, match="the archive at 4 points at 2016-02-01T00"):
        run(tmp_path, Sea(other_month="2016-01"), "2016-01-31", "2016-01-31", replace=True)
    alone = tmp_path / "alone"
    run(alone, Sea(), "2016-01-31", "2016-01-31")
    run(alone, Sea(other_month="2016-01"), "2016-01-31", "2016-01-31", replace=True)
    assert np.isnan(open_archive(alone / "archive")[SST].values[:, 2]).all()


def test_a_month_that_is_compared_with_a_damaged_one_says_so(monkeypatch: pytest.MonkeyPatch):
    def damaged(_fields: np.ndarray) -> np.ndarray:
        raise RuntimeError("checksum")

    hours = Period("2016-01-31", "2016-02-01").hours()
    january, february = (
        make_month(some, fields={SST: ()}).chunk({"time": 24}) for some in (hours[:24], hours[24:])
    )
    broken = january[SST].copy(data=january[SST].data.map_blocks(damaged, dtype=np.float32))
    monkeypatch.setattr(
        same_mask, "open_hours", lambda *_: january.assign({SST: broken}).isel(time=[23])
    )
    plan = MonthPlan("append", hours[24:], 24)
    with pytest.raises(DataError, match=f"{SST} cannot be read at 2016-01-31T23 .*action=check"):
        same_mask.check_same_mask(cast(Any, None), february, {SST: ()}, plan, 24)


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_regridding_takes_nothing_from_points_without_a_value(method):
    grid = Grid((26.0, 25.5, 25.0, 24.5, 24.0, 23.5), (110.0, 110.5, 111.0, 111.5))
    month = make_month(Period("2016-01-01", "2016-01-01").hours(), fields={SST: ()}, grid=grid)
    month[SST][:] = 290.0
    month[SST][:, :2] = np.nan
    month[SST][:, 2, 0] = np.nan
    wanted = GridSettings(latitude=(25.75, 24.75, 23.75), longitude=(110.25, 111.25), method=method)
    coarse = regrid(month, wanted)[SST].values
    is_missing = np.isnan(coarse)
    assert is_missing[:, 0].all() and not is_missing[:, 1:].any()
    np.testing.assert_allclose(coarse[~is_missing], 290.0, rtol=1e-6)
