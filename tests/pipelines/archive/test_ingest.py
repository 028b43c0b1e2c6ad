import dataclasses
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import xarray as xr
import zarr

from met2net.data.grid import equiangular
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, current_state, history, open_archive
from pipelines.archive.storage import BRANCH, open_repository
from pipelines.errors import DataError
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Period
from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FIELDS, SMALL_GRID, FakeSource, fetched_months, make_month


def run(folder: Path, start: str, end: str, **changes: Any) -> ArchiveState:
    """Ingest a period from a fake source, with some arguments changed."""
    arguments: dict[str, Any] = {
        "source": FakeSource(),
        "fields": FIELDS,
        "grid": GridSettings(),
        "raw_folder": folder / "raw",
        "path": folder / "archive",
        **changes,
    }
    return ingest(arguments.pop("source"), period=Period(start, end), **arguments)


@dataclasses.dataclass(frozen=True)
class SpoiledSource(FakeSource):
    """A source whose months went wrong in one way."""

    fault: str = ""

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        raw = super().fetch(request, raw_folder)
        return RawMonth(spoil(raw.dataset, self.fault), {"source": "fake", "run": 1})


def spoil(month: xr.Dataset, fault: str) -> xr.Dataset:
    month = month.copy(deep=True)
    t2m, humidity = month["2m_temperature"], month["relative_humidity"]
    match fault:
        case "missing hour":
            return month.isel(time=np.arange(month.sizes["time"]) != 5)
        case "hours out of order":
            return month.isel(time=[1, 0, *range(2, month.sizes["time"])])
        case "missing variable":
            return month.drop_vars("2m_temperature")
        case "missing level":
            return month.sel(level=[850])
        case "missing expver":
            return month.drop_vars("expver")
        case "extra dimension":
            return month.assign({"2m_temperature": t2m.expand_dims("number", axis=1)})
        case "wrong units":
            t2m.attrs["units"] = "degC"
        case "missing value":
            humidity[7, 1, 2, 3] = np.nan
        case "infinite value":
            t2m[3, 0, 0] = np.inf
        case "impossible value":
            t2m[30, 1, 2] = 12.0
        case "other grid":
            month["latitude"] = month["latitude"] + 1
        case "south to north":
            return month.isel(latitude=slice(None, None, -1))
    return month


def test_months_are_stored_as_the_source_gives_them(tmp_path: Path):
    state = run(tmp_path, "2016-01-30", "2016-02-03")
    assert state.months == ("2016-01", "2016-02")
    archive = open_archive(tmp_path / "archive", state.snapshot_id)
    expected = make_month(Period("2016-01-30", "2016-02-03").hours())
    for name in FIELDS:
        np.testing.assert_array_equal(archive[name].values, expected[name].values)
        assert archive[name].attrs == expected[name].attrs
        assert archive[name].dtype == np.float32
        assert archive[name].encoding["chunks"][0] == 24
        assert archive[name].encoding["chunks"][-2:] == SMALL_GRID.shape
    np.testing.assert_array_equal(archive["time"], expected["time"])
    assert archive["time"].encoding["units"] == "hours since 1970-01-01"
    assert archive["time"].encoding["dtype"] == np.int64
    assert archive["expver"].values.tolist() == expected["expver"].values.tolist()
    assert archive["latitude"].attrs["units"] == "degrees_north"
    assert archive.attrs["attribution"] == "Contains made-up weather."
    assert archive.attrs["Conventions"].startswith("CF-1.")


def test_every_commit_tells_what_it_was_made_of(tmp_path: Path):
    state = run(tmp_path, "2016-01-01", "2016-02-10T05")
    first, second = history(tmp_path / "archive")
    assert (first["month"], first["action"], first["is_partial"]) == ("2016-01", "append", False)
    assert (second["month"], second["is_partial"]) == ("2016-02", True)
    assert (second["first_hour"], second["last_hour"]) == ("2016-02-01T00", "2016-02-10T05")
    assert second["snapshot_id"] == state.snapshot_id
    assert [len(file["sha256"]) for file in first["files"]] == [64]
    assert first["source"] == "fake"
    assert first["largest_change"] is None
    assert first["settings"] == second["settings"]
    assert first["code_version"]


def test_same_period_again_neither_fetches_nor_commits(tmp_path: Path):
    before = run(tmp_path, "2016-01-22", "2016-02-03")
    assert run(tmp_path, "2016-01-22", "2016-02-03") == before
    assert run(tmp_path, "2016-01-25", "2016-02-01T04") == before
    assert fetched_months(tmp_path / "raw") == ["2016-01", "2016-02"]


def test_month_by_month_equals_all_at_once(tmp_path: Path):
    run(tmp_path / "once", "2016-01-30", "2016-03-05")
    run(tmp_path / "steps", "2016-01-30", "2016-01-30")
    run(tmp_path / "steps", "2016-01-30", "2016-02-20T11")
    run(tmp_path / "steps", "2016-02-20", "2016-03-05")
    once, steps = (open_archive(tmp_path / name / "archive") for name in ("once", "steps"))
    xr.testing.assert_identical(once.load(), steps.load())


def test_partial_month_is_extended_by_replacement(tmp_path: Path):
    run(tmp_path, "2016-01-30", "2016-02-03T07")
    run(tmp_path, "2016-01-30", "2016-02-29")
    newest = history(tmp_path / "archive")[-1]
    assert (newest["action"], newest["is_partial"]) == ("extend", False)
    assert newest["largest_change"] == dict.fromkeys(FIELDS, 0.0)
    assert fetched_months(tmp_path / "raw") == ["2016-01", "2016-02", "2016-02"]


def test_only_month_is_extended_at_both_ends(tmp_path: Path):
    run(tmp_path, "2016-01-10", "2016-01-12")
    run(tmp_path, "2016-01-05", "2016-01-11")
    archive = open_archive(tmp_path / "archive")
    expected = make_month(Period("2016-01-05", "2016-01-12").hours())
    np.testing.assert_array_equal(archive["time"], expected["time"])
    np.testing.assert_array_equal(archive["2m_temperature"], expected["2m_temperature"])


def test_month_with_changed_files_is_replaced_and_the_change_told(tmp_path: Path):
    before = run(tmp_path, "2016-01-30", "2016-03-02", source=FakeSource(expver="0005"))
    final = FakeSource(seed=1, expver="0001")
    state = run(tmp_path, "2016-02-01", "2016-02-29", source=final, replace=True)
    old = open_archive(tmp_path / "archive", before.snapshot_id)
    new = open_archive(tmp_path / "archive", state.snapshot_id)
    is_february = new["time"].dt.month == 2
    for name in FIELDS:
        largest = float(abs(new[name] - old[name]).max())
        assert history(tmp_path / "archive")[-1]["largest_change"][name] == largest > 1
        np.testing.assert_array_equal(new[name][~is_february], old[name][~is_february])
    assert set(new["expver"].values[is_february]) == {"0001"}
    assert set(new["expver"].values[~is_february]) == {"0005"}


def test_hours_that_change_are_counted(tmp_path: Path):
    run(tmp_path, "2016-01-01", "2016-01-03")

    @dataclasses.dataclass(frozen=True)
    class Corrected(FakeSource):
        def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
            month = super().fetch(request, raw_folder).dataset
            month["2m_temperature"][5, 1, 2] += 0.25
            month["10m_u_component_of_wind"][5:7, 0, 0] -= 2.0
            return RawMonth(month, {"source": "fake", "files": []})

    run(tmp_path, "2016-01-01", "2016-01-03", source=Corrected(), replace=True)
    newest = history(tmp_path / "archive")[-1]
    assert newest["changed_hours"] == 2
    assert newest["largest_change"] == {
        "2m_temperature": 0.25, "10m_u_component_of_wind": 2.0, "relative_humidity": 0.0,
    }  # fmt: skip


def test_derived_variable_is_computed_before_regridding(tmp_path: Path):
    fields = {"10m_wind_speed": ()}
    components = {"10m_u_component_of_wind": (), "10m_v_component_of_wind": ()}
    settings = GridSettings(resolution=30.0)
    source = FakeSource(grid=equiangular(10.0))
    run(tmp_path, "2016-01-01", "2016-01-01", source=source, fields=fields, grid=settings)
    archive = open_archive(tmp_path / "archive")
    assert list(archive.data_vars) == ["10m_wind_speed"]
    hours = Period("2016-01-01", "2016-01-01").hours()
    wind = make_month(hours, fields=components, grid=source.grid)
    speed = np.hypot(wind["10m_u_component_of_wind"], wind["10m_v_component_of_wind"])
    expected = regrid(wind[[]].assign({"10m_wind_speed": speed}), settings)["10m_wind_speed"]
    np.testing.assert_allclose(archive["10m_wind_speed"], expected, rtol=1e-6)


def test_archive_without_records_is_read_but_not_continued(tmp_path: Path):
    run(tmp_path, "2016-01-01", "2016-01-01")
    repository = open_repository(tmp_path / "archive", create=False)
    assert repository is not None
    session = repository.writable_session(BRANCH)
    del zarr.open_group(session.store, mode="r+")["months"]
    session.commit("as an older version left it")
    assert open_archive(tmp_path / "archive").sizes["time"] == 24
    with pytest.raises(DataError, match="older version, which kept no records .* another path"):
        run(tmp_path, "2016-01-01", "2016-01-02")


def test_replacing_with_the_same_files_changes_nothing(tmp_path: Path):
    before = run(tmp_path, "2016-01-01", "2016-01-03")
    assert run(tmp_path, "2016-01-01", "2016-01-03", replace=True) == before
    assert fetched_months(tmp_path / "raw") == ["2016-01", "2016-01"]


def test_source_with_other_settings_is_asked_again(tmp_path: Path):
    before = run(tmp_path, "2016-01-01", "2016-01-03")
    after = run(tmp_path, "2016-01-01", "2016-01-03", source=FakeSource(seed=1))
    assert after.snapshot_id != before.snapshot_id
    assert history(tmp_path / "archive")[-1]["action"] == "replace"


def test_made_up_weather_of_other_settings_is_refused(tmp_path: Path):
    @dataclasses.dataclass(frozen=True)
    class Simulation(FakeSource):
        attribution = None

    run(tmp_path, "2016-01-01", "2016-01-03", source=Simulation())
    for other in (Simulation(seed=1), FakeSource()):
        with pytest.raises(DataError, match="made with weather .*an archive of their own"):
            run(tmp_path, "2016-01-01", "2016-01-05", source=other)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing hour", r"has 47 hours, 1 missing \(first 2016-02-01T05\).*exactly the 48"),
        ("hours out of order", "each once, in order"),
        ("missing variable", "variables 2m_temperature are missing; found: 10m_u"),
        ("missing level", r"levels \[850\] hPa; expected also \[1000\]"),
        ("missing expver", "no coordinate expver"),
        ("extra dimension", r"dimensions \(time, number, latitude.*expected \(time, latitude"),
        ("wrong units", "units 'degC'; expected 'K'"),
        ("missing value", "relative_humidity at 1000 hPa has no value at 1 of 12 points at "
                          "2016-02-01T07, first at latitude 23, longitude 113"),
        ("infinite value", "2m_temperature is inf K at 2016-02-01T03, latitude 25"),
        ("impossible value", "2m_temperature is 12 K at 2016-02-02T06, latitude 24, longitude 112; "
                             "expected within 160 to 350 K"),
        ("other grid", "month's grid is .*expected the archive's"),
        ("south to north", "grid cannot be used: latitude is not strictly decreasing"),
    ],
)  # fmt: skip
def test_faulty_month_leaves_the_archive_as_it_was(tmp_path: Path, fault: str, message: str):
    before = run(tmp_path, "2016-01-31", "2016-01-31")
    with pytest.raises(DataError, match="fake, 2016-02: .*" + message):
        run(tmp_path, "2016-02-01", "2016-02-02", source=SpoiledSource(fault=fault))
    assert current_state(tmp_path / "archive") == before
    assert open_archive(tmp_path / "archive").sizes["time"] == 24


def test_faulty_first_month_makes_no_archive(tmp_path: Path):
    with pytest.raises(DataError, match="has no value"):
        run(tmp_path, "2016-01-01", "2016-01-02", source=SpoiledSource(fault="missing value"))
    assert current_state(tmp_path / "archive") is None
    with pytest.raises(DataError, match="found no archive"):
        open_archive(tmp_path / "archive")
    assert run(tmp_path, "2016-01-01", "2016-01-02").months == ("2016-01",)


def test_sea_surface_may_have_gaps_but_not_only_gaps(tmp_path: Path):
    fields = {"sea_surface_temperature": ()}
    hours = Period("2016-01-01", "2016-01-02").hours()

    @dataclasses.dataclass(frozen=True)
    class Sea(FakeSource):
        land: int = 2

        def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
            month = make_month(request.hours, fields=request.fields)
            month["sea_surface_temperature"][:, : self.land] = np.nan
            return RawMonth(month, {"source": "fake", "land": self.land})

    with pytest.raises(DataError, match="no value at 12 of 12 points .* expected some"):
        run(tmp_path, "2016-01-01", "2016-01-02", source=Sea(land=3), fields=fields)
    run(tmp_path, "2016-01-01", "2016-01-02", source=Sea(land=2), fields=fields)
    sst = open_archive(tmp_path / "archive")["sea_surface_temperature"]
    assert int(np.isnan(sst).sum()) == 2 * 4 * len(hours)


def test_fields_are_regridded_and_cropped_on_their_way(tmp_path: Path):
    settings = GridSettings(resolution=30.0)
    run(tmp_path / "a", "2016-01-01", "2016-01-01", source=FakeSource(grid=equiangular(10.0)),
        grid=settings)  # fmt: skip
    assert open_archive(tmp_path / "a" / "archive")["2m_temperature"].shape == (24, 6, 12)
    run(tmp_path / "b", "2016-01-01", "2016-01-01", grid=GridSettings(box=Box(25, 110, 24, 112)))
    archive = open_archive(tmp_path / "b" / "archive")
    np.testing.assert_array_equal(
        archive["2m_temperature"],
        make_month(Period("2016-01-01", "2016-01-01").hours())["2m_temperature"][:, :2, :3],
    )


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2016-02-12T06", "2016-02-29", "ends at 2016-02-02T05; expected hours from .*: a gap"),
        ("2016-03-01", "2016-03-02", "a gap"),
        ("2015-12-01", "2016-02-29", "starts at 2016-01-31T00 and grows at its end only"),
        ("2016-01-30", "2016-02-29", "Earlier hours need a new archive"),
    ],
)
def test_period_that_does_not_join_on_is_refused(tmp_path: Path, start, end, message):
    before = run(tmp_path, "2016-01-31", "2016-02-02T05")
    with pytest.raises(DataError, match=message):
        run(tmp_path, start, end)
    assert current_state(tmp_path / "archive") == before
    assert len(fetched_months(tmp_path / "raw")) == 2


def test_archive_must_start_a_day(tmp_path: Path):
    with pytest.raises(DataError, match="start at 2016-01-01T06; expected hour 00"):
        run(tmp_path, "2016-01-01T06", "2016-01-03")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": {"2m_temperature": ()}}, "made with fields .*relative_humidity.*found"),
        ({"grid": GridSettings(box=Box(25, 110, 24, 112))}, 'made with grid .*"box": null'),
    ],
)
def test_archive_of_other_settings_is_refused(tmp_path: Path, changes, message):
    run(tmp_path, "2016-01-01", "2016-01-01")
    with pytest.raises(DataError, match=message):
        run(tmp_path, "2016-01-01", "2016-01-02", **changes)


def test_second_writer_is_refused(tmp_path: Path):
    with (
        filelock.FileLock(tmp_path / "archive.lock"),
        pytest.raises(DataError, match="another process is writing to the archive"),
    ):
        run(tmp_path, "2016-01-01", "2016-01-01")


def test_complete_archive_is_read_beside_a_writer(tmp_path: Path):
    before = run(tmp_path, "2016-01-01", "2016-01-02")
    with filelock.FileLock(tmp_path / "archive.lock"):
        assert run(tmp_path, "2016-01-01", "2016-01-02") == before
        with pytest.raises(DataError, match="another process is writing"):
            run(tmp_path, "2016-01-01", "2016-01-03")


def test_something_else_at_the_path_is_refused(tmp_path: Path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "notes.txt").touch()
    with pytest.raises(DataError, match="holds something else"):
        run(tmp_path, "2016-01-01", "2016-01-01")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        run(tmp_path, "2016-01-01", "2016-01-01", path=tmp_path / "file")


def test_nothing_asked_for_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="expected at least one variable"):
        run(tmp_path, "2016-01-01", "2016-01-01", fields={})
