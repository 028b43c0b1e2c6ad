"""One more channel is fetched alone: the rest is copied from the archive beside it."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.location import archive_location
from pipelines.archive.state import ArchiveState, history, open_archive
from pipelines.archive.storage import BRANCH, open_repository
from pipelines.archive.values import used_values
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FakeSource

ONE = {"2m_temperature": (), "relative_humidity": (850,)}
MORE = {**ONE, "mean_sea_level_pressure": ()}
asked: list[tuple[str, Mapping[str, tuple[int, ...]]]] = []


@dataclasses.dataclass(frozen=True)
class CountedSource(FakeSource):
    """A source that notes what it was asked for; a field's weather does not hang on the others."""

    version: str = dataclasses.field(default="0001", compare=False)
    broken: bool = dataclasses.field(default=False, compare=False)

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        asked.append((str(request.month), dict(request.fields)))
        if self.broken and str(request.month) == "2016-02":
            raise DataError("the connection broke")
        one_by_one = [
            dataclasses.replace(self, expver=self.version)._alone(request, raw_folder, name)
            for name in request.fields
        ]
        month = one_by_one[0].dataset
        for raw in one_by_one[1:]:
            month = month.merge(raw.dataset, compat="override", join="outer")
        files = [file for raw in one_by_one for file in raw.manifest["files"]]
        return RawMonth(month, {"source": self.name, "files": files})

    def _alone(self, request: MonthRequest, raw_folder: Path, name: str) -> RawMonth:
        fields = {name: request.fields[name]}
        return FakeSource.fetch(self, dataclasses.replace(request, fields=fields), raw_folder)

    @contextmanager
    def fetching(self, requests: Sequence[MonthRequest], raw_folder: Path) -> Iterator[None]:
        assert len({json.dumps(dict(request.fields)) for request in requests}) == 1
        yield


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    asked.clear()


def run(folder: Path, fields: Mapping[str, tuple[int, ...]], **changes: Any) -> ArchiveState:
    source = changes.pop("source", CountedSource())
    period = changes.pop("period", Period("2016-01-30", "2016-02-02"))
    path = archive_location(None, folder, source=source, fields=fields, grid=GridSettings())
    return ingest(
        source, period=period, fields=fields, grid=GridSettings(), raw_folder=folder / "raw",
        path=path, **changes,
    )  # fmt: skip


def values(state: ArchiveState) -> list[dict[str, str]]:
    return [entry["values"] for entry in history(state.path)]


def test_one_more_channel_is_asked_for_alone_and_all_else_is_byte_for_byte_equal(tmp_path: Path):
    old = run(tmp_path, ONE)
    asked.clear()
    new = run(tmp_path, MORE)
    assert asked == [(month, {"mean_sea_level_pressure": ()}) for month in ("2016-01", "2016-02")]
    whole = run(tmp_path / "whole", MORE)  # as if there had been no other archive
    assert values(new) == values(whole)
    before, copied, expected = (open_archive(state.path) for state in (old, new, whole))
    for name in MORE:
        assert copied[name].values.tobytes() == expected[name].values.tobytes()
    for name in ONE:
        assert copied[name].values.tobytes() == before[name].values.tobytes()
    assert copied.identical(expected)
    hours = copied["time"].values.astype("datetime64[h]")[[0, -1]]
    names = {
        used_values(state, fields=MORE, first=hours[0], last=hours[1]) for state in (new, whole)
    }
    assert len(names) == 1  # training sets of either are one and the same
    assert check_archive(new.path) == []
    copied_from = history(new.path)[0]["copied"]
    assert copied_from["fields"] == {"2m_temperature": [], "relative_humidity": [850]}
    assert (copied_from["archive"], copied_from["snapshot"]) == (old.path, old.snapshot_id)


def test_the_old_archive_is_found_as_it_was(tmp_path: Path):
    old = run(tmp_path, ONE)
    run(tmp_path, MORE)
    asked.clear()
    assert run(tmp_path, ONE) == old
    assert asked == []


def test_one_channel_fewer_asks_for_nothing(tmp_path: Path):
    run(tmp_path, MORE)
    asked.clear()
    state = run(tmp_path, ONE)
    assert asked == []
    assert values(state) == values(run(tmp_path / "whole", ONE))
    assert check_archive(state.path) == []


def test_one_more_level_is_asked_for_alone(tmp_path: Path):
    run(tmp_path, ONE)
    asked.clear()
    levels = {**ONE, "relative_humidity": (500, 850)}
    state = run(tmp_path, levels)
    assert [fields for _, fields in asked] == 2 * [{"relative_humidity": (500,)}]
    archive = open_archive(state.path)
    assert archive["level"].values.tolist() == [500, 850]
    assert not archive.isnull().any().to_array().any()
    assert check_archive(state.path) == []


def test_months_that_the_other_archive_lacks_are_fetched_whole(tmp_path: Path):
    run(tmp_path, ONE, period=Period("2016-01-30", "2016-01-31"))
    asked.clear()
    state = run(tmp_path, MORE)
    assert asked == [("2016-01", {"mean_sea_level_pressure": ()}), ("2016-02", MORE)]
    assert values(state) == values(run(tmp_path / "whole", MORE))


def test_a_failure_halfway_leaves_whole_months_and_the_next_run_goes_on(tmp_path: Path):
    old = run(tmp_path, ONE)
    with pytest.raises(DataError, match="the connection broke"):
        run(tmp_path, MORE, source=CountedSource(broken=True))
    assert run(tmp_path, ONE) == old
    asked.clear()
    state = run(tmp_path, MORE)
    assert asked == [("2016-02", {"mean_sea_level_pressure": ()})]
    assert state.months == ("2016-01", "2016-02")
    assert check_archive(state.path) == []


def test_a_final_field_is_not_put_beside_preliminary_ones(tmp_path: Path, caplog: Any):
    run(tmp_path, ONE, source=CountedSource(version="0005"))
    asked.clear()
    state = run(tmp_path, MORE)
    assert [fields for _, fields in asked] == 2 * [{"mean_sea_level_pressure": ()}, MORE]
    assert set(open_archive(state.path)["expver"].values) == {"0001"}
    assert "found experiment versions ['0001']; the archive" in caplog.text
    assert values(state) == values(run(tmp_path / "whole", MORE))


def test_damaged_months_are_not_copied(tmp_path: Path, caplog: Any):
    old = run(tmp_path, ONE)
    for chunk in (Path(old.path) / "chunks").iterdir():
        content = bytearray(chunk.read_bytes())
        if content[4] & 4:  # Zstandard's mark of a checksum: fields, no records of months
            content[len(content) // 2] ^= 1
            chunk.write_bytes(content)
    asked.clear()
    state = run(tmp_path, MORE)
    assert asked[-1] == ("2016-02", MORE)
    assert "damaged in the archive" in caplog.text
    assert check_archive(state.path) == []


def test_other_weather_is_not_shared(tmp_path: Path):
    run(tmp_path, ONE, source=CountedSource(seed=1))
    run(tmp_path, ONE)
    asked.clear()
    run(tmp_path, MORE, source=CountedSource(seed=2))
    assert [fields for _, fields in asked] == [MORE, MORE]


def test_months_with_something_accepted_are_fetched_again(tmp_path: Path):
    state = run(tmp_path, ONE, period=Period("2016-01-30", "2016-01-31"))
    repository = open_repository(state.path, create=False)
    assert repository is not None
    _mark_accepted(repository)
    asked.clear()
    run(tmp_path, MORE, period=Period("2016-01-30", "2016-01-31"))
    assert asked == [("2016-01", MORE)]


def _mark_accepted(repository: Any) -> None:
    session = repository.writable_session(BRANCH)
    records = zarr.open_array(session.store, path="months/record", mode="r+")
    record = json.loads(str(records[0]))
    records[0] = json.dumps({**record, "accepted": ["t2m: zero_fields"]})
    session.commit("accepted", metadata=record)


def test_folders_that_are_no_archive_are_passed_over(tmp_path: Path, caplog: Any):
    other = tmp_path / "archive" / "fake-0123456789abcdef"
    other.mkdir(parents=True)
    (other / "notes.txt").write_text("mine")
    run(tmp_path, ONE)
    assert "is not looked at for fields to share" in caplog.text
    assert [fields for _, fields in asked] == [ONE, ONE]
    assert np.array_equal([path.name for path in other.iterdir()], ["notes.txt"])
