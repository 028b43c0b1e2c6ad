"""What a month costs to append, in a new archive and in one of five years: real ERA5."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import icechunk
import numpy as np
import pytest

from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.state import current_state
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Month, Period
from pipelines.sources.files import Files
from tests.benchmarks.conftest import RecordRatio

REAL = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(
        not REAL.is_dir(), reason="the real ERA5 files (../shared/data) are not here"
    ),
]

FIELDS = {
    "2m_temperature": (),
    "2m_dewpoint_temperature": (),
    "10m_u_component_of_wind": (),
    "10m_v_component_of_wind": (),
    "mean_sea_level_pressure": (),
    "sea_surface_temperature": (),
}
MONTHS = Period("2016-01-01", "2020-12-31").months()


def test_sixtieth_month_costs_what_the_first_cost(
    tmp_path: Path, record_ratio: RecordRatio
) -> None:
    for month in MONTHS[:-10]:
        append(tmp_path / "long", month)
    # The first month also makes the archive and the index of the files.
    append(tmp_path / "new", MONTHS[0])
    # In turn, so that whatever else the machine does falls on both.
    first, last = [], []
    for early, late in zip(MONTHS[1:11], MONTHS[-10:], strict=True):
        first.append(append(tmp_path / "new", early))
        last.append(append(tmp_path / "long", late))
    state = current_state(tmp_path / "long" / "archive")
    assert state is not None
    assert len(state.months) == 60
    assert state.open().sizes["time"] == 43_848
    assert check_archive(tmp_path / "long" / "archive") == []
    ratios = np.median(last, axis=0) / np.median(first, axis=0)
    for part, ratio in zip(("whole month", "commit"), ratios, strict=True):
        record_ratio(f"append, {part}: last ten / first ten of 60", ratio, bound="<= 1.5")
    assert (ratios <= 1.5).all()


def append(folder: Path, month: Month) -> tuple[float, float]:
    """Append a month; gives the seconds that it took, and those of its commit."""
    commits: list[float] = []
    hours = month.hours()
    start = time.perf_counter()
    with timing_commits(commits):
        ingest(
            Files(str(REAL / "era5-mumbai"), pattern="*.grib"),
            period=Period(str(hours[0]), str(hours[-1])),
            fields=FIELDS,
            grid=GridSettings(),
            raw_folder=folder / "raw",
            path=folder / "archive",
        )
    (commit,) = commits
    return time.perf_counter() - start, commit


@contextmanager
def timing_commits(seconds: list[float]) -> Iterator[None]:
    """Note how long each commit takes."""
    commit = icechunk.Session.commit

    def timed(session: icechunk.Session, *arguments: object, **options: object) -> str:
        start = time.perf_counter()
        snapshot = commit(session, *arguments, **options)  # type: ignore[arg-type]
        seconds.append(time.perf_counter() - start)
        return snapshot

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(icechunk.Session, "commit", timed)
        yield
