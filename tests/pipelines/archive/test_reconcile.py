from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipelines.archive.ingest import ingest
from pipelines.archive.reconcile import reconcile
from pipelines.archive.state import ArchiveState, history, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FIELDS, SMALL_GRID, FakeSource

FINAL_UNTIL = np.datetime64("2016-02-01T12", "h")


@dataclass(frozen=True)
class Release(FakeSource):
    """ERA5 as it stands at one time: final to a day, preliminary after it.

    Attributes:
        final_until: last final hour.
        correction: what the final release changes of the temperature, in kelvin.
        repacked: True for other bytes of the same fields.
        asked: requests, in order.
        ahead: requests that were announced.
    """

    final_until: np.datetime64 = field(default=FINAL_UNTIL, compare=False)
    correction: float = field(default=0.0, compare=False)
    repacked: bool = field(default=False, compare=False)
    asked: list[MonthRequest] = field(default_factory=list, compare=False)
    ahead: list[MonthRequest] = field(default_factory=list, compare=False)

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        self.asked.append(request)
        raw = super().fetch(request, raw_folder)
        final = request.hours <= self.final_until
        dataset = raw.dataset.assign_coords(expver=("time", np.where(final, "0001", "0005")))
        corrected = final & (request.hours >= np.datetime64("2016-02-01", "h"))
        dataset["2m_temperature"][corrected, 0, 0] += self.correction
        digest = f"{request.month} {final.sum()} {self.correction} {self.repacked}"
        return RawMonth(dataset, {"files": [{"name": "a.nc", "size": 1, "sha256": digest}]})

    @contextmanager
    def fetching(self, requests: Sequence[MonthRequest], raw_folder: Path) -> Iterator[None]:
        self.ahead.extend(requests)
        yield


def arguments(folder: Path) -> dict[str, Any]:
    return {
        "fields": FIELDS, "grid": GridSettings(), "raw_folder": folder / "raw",
        "path": folder / "archive",
    }  # fmt: skip


def make(folder: Path) -> ArchiveState:
    """Make an archive of a final, a mixed and a preliminary month."""
    period = Period("2016-01-30", "2016-03-02")
    return ingest(Release(), period=period, **arguments(folder))


def keys(requests: Sequence[MonthRequest]) -> list[tuple[str, int]]:
    return [(str(request.month), len(request.hours)) for request in requests]


def test_months_that_became_final_are_replaced_and_the_change_told(tmp_path: Path):
    before = make(tmp_path)
    later = Release(final_until=np.datetime64("2016-03-01T05", "h"), correction=0.5)
    moment = np.datetime64("2016-06-01T00:00:00", "s")
    state = reconcile(later, received_after=moment, **arguments(tmp_path))
    assert keys(later.asked) == keys(later.ahead) == [("2016-02", 29 * 24), ("2016-03", 48)]
    assert {request.received_after for request in later.asked} == {moment}
    *_, february, march = history(tmp_path / "archive")
    assert (february["action"], march["action"]) == ("replace", "replace")
    assert february["expver"] == {"0001": 29 * 24}
    assert march["expver"] == {"0001": 6, "0005": 42}
    unchanged = dict.fromkeys(set(FIELDS) - {"2m_temperature"}, 0.0)
    assert february["largest_change"] == {**unchanged, "2m_temperature": 0.5}
    assert february["changed_hours"] == 29 * 24
    assert march["changed_hours"] == 6
    old, new = before.open(), state.open()
    assert not np.array_equal(old["2m_temperature"], new["2m_temperature"])
    january = new["time"] < np.datetime64("2016-02-01")
    xr.testing.assert_identical(new.sel(time=january).load(), old.sel(time=january).load())


def test_final_months_of_the_same_values_are_marked_final(tmp_path: Path):
    make(tmp_path)
    later = Release(final_until=np.datetime64("2016-12-31", "h"))
    reconcile(later, **arguments(tmp_path))
    assert set(open_archive(tmp_path / "archive")["expver"].values.tolist()) == {"0001"}
    newest = history(tmp_path / "archive")[-1]
    assert newest["largest_change"] == dict.fromkeys(FIELDS, 0.0)
    assert newest["changed_hours"] == 0
    assert reconcile(again := Release(final_until=later.final_until), **arguments(tmp_path))
    assert again.asked == []


@pytest.mark.parametrize("repacked", [False, True])
def test_months_that_come_back_as_they_were_change_nothing(tmp_path: Path, repacked: bool):
    before = make(tmp_path)
    same = Release(repacked=repacked)
    assert reconcile(same, **arguments(tmp_path)) == before
    assert keys(same.asked) == [("2016-02", 29 * 24), ("2016-03", 48)]
    now = np.datetime64("now", "s")
    for request in same.asked:
        assert request.received_after is not None
        assert np.timedelta64(0, "s") <= now - request.received_after < np.timedelta64(120, "s")


def test_ingest_announces_what_it_will_fetch(tmp_path: Path):
    make(tmp_path)
    source = Release()
    ingest(source, period=Period("2016-02-25", "2016-04-01"), **arguments(tmp_path))
    assert keys(source.ahead) == keys(source.asked) == [("2016-03", 31 * 24), ("2016-04", 24)]
    assert [request.received_after for request in source.asked] == [None, None]


def test_absent_archive_and_other_settings_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="found no archive"):
        reconcile(Release(), **arguments(tmp_path))
    make(tmp_path)
    with pytest.raises(DataError, match="made with fields"):
        reconcile(Release(), **arguments(tmp_path) | {"fields": {"2m_temperature": ()}})


def test_grid_of_the_source_is_kept(tmp_path: Path):
    assert make(tmp_path).open()["latitude"].values.tolist() == list(SMALL_GRID.latitude)
