import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources import files_index
from pipelines.sources.files import Files, packing_tolerance
from pipelines.sources.source import MonthRequest
from tests.pipelines.formats.grib_files import message, write_day

REAL = Path(__file__).parents[3].parent / "shared" / "data"
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real ERA5 files (../shared/data) are not here"
)
T2M = {"2m_temperature": ()}


def request(first: str = "2020-01-01", *, hours: int = 24, fields=T2M) -> MonthRequest:
    wanted = np.datetime64(first, "h") + np.arange(hours)
    return MonthRequest(Month.of(wanted[0]), wanted, fields)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def fetch(folder: Path, wanted: MonthRequest):
    return Files(str(folder)).fetch(wanted, folder.parent / "raw")


def test_files_of_any_name_are_chained_in_time(folder):
    write_day(folder / "b", day="2020-01-01")
    write_day(folder / "a.bin", day="2020-01-02")
    (folder / "LICENSE").write_text("CC-BY")
    (folder / ".hidden.grib").write_text("half a download")
    month = fetch(folder, request(hours=48))
    field = month.dataset["2m_temperature"]
    np.testing.assert_allclose(field.values[:, 0, 0], 280 + np.tile(np.arange(24.0), 2), atol=1e-3)
    assert month.dataset["expver"].values.tolist() == ["0001"] * 48
    assert [file["name"] for file in month.manifest["files"]] == ["a.bin", "b"]
    assert all(len(file["sha256"]) == 64 for file in month.manifest["files"])
    json.dumps(month.manifest)


def test_only_files_that_hold_the_hours_are_decoded_and_only_they_are_named(folder):
    write_day(folder / "1.grib", day="2020-01-01")
    write_day(folder / "2.grib", day="2020-02-01")
    month = fetch(folder, request(hours=6))
    assert month.dataset.sizes["time"] == 6
    assert [file["name"] for file in month.manifest["files"]] == ["1.grib"]


def test_a_second_look_reads_only_what_has_changed(folder, monkeypatch):
    write_day(folder / "1.grib", day="2020-01-01")
    write_day(folder / "2.grib", day="2020-01-02")
    fetch(folder, request())
    read = []
    monkeypatch.setattr(
        files_index, "_index_file", lambda path, names: read.append(path.name) or real(path, names)
    )
    fetch(folder, request())
    assert read == []
    write_day(folder / "2.grib", day="2020-01-03", hours=20)
    assert read == []
    fetch(folder, request())
    assert read == ["2.grib"]


real = files_index._index_file


def test_an_index_of_another_layout_is_not_read(folder):
    write_day(folder / "1.grib")
    fetch(folder, request())
    (cache,) = (folder.parent / "raw").rglob("index.json")
    cache.write_text(json.dumps({"layout": 0, "files": "nonsense"}))
    assert fetch(folder, request()).dataset.sizes["time"] == 24


def test_nothing_is_written_into_the_folder(folder):
    write_day(folder / "1.grib")
    fetch(folder, request())
    assert [path.name for path in folder.iterdir()] == ["1.grib"]


def test_the_same_hours_twice_may_differ_by_packing_alone(folder):
    write_day(folder / "1.grib")
    write_day(folder / "2.grib", offset=0.9 * packing_tolerance("2m_temperature"))
    month = fetch(folder, request())
    assert month.dataset.sizes["time"] == 24
    write_day(folder / "2.grib", offset=0.5)
    with pytest.raises(DataError, match=r"2m_temperature of 24 hours .*2\.grib and in .*1\.grib, "
                       r"and they differ by up to 0\.5"):  # fmt: skip
        fetch(folder, request())


def test_two_files_must_agree_where_values_are_absent(folder):
    field = np.full((3, 2), 300.0)
    fields = {"sea_surface_temperature": ()}
    (folder / "1").write_bytes(message(field, short_name="sst"))
    field[0, 0] = np.nan
    (folder / "2").write_bytes(message(field, short_name="sst"))
    with pytest.raises(DataError, match="one has values where the other has none"):
        fetch(folder, request(hours=1, fields=fields))


def test_a_missing_folder_and_an_empty_one_are_refused(folder):
    with pytest.raises(DataError, match="no such folder"):
        fetch(folder / "x", request())
    (folder / "README.md").write_text("nothing here")
    with pytest.raises(DataError, match="found no GRIB, netCDF or zip file"):
        fetch(folder, request())


def test_a_data_file_by_name_alone_is_refused(folder):
    write_day(folder / "1.grib")
    (folder / "2.nc").write_text("<html>Service unavailable</html>")
    with pytest.raises(DataError, match=r"2\.nc: found .* expected GRIB, netCDF or zip"):
        fetch(folder, request())


def test_a_missing_hour_and_an_absent_variable_are_named(folder):
    write_day(folder / "1.grib", hours=20)
    with pytest.raises(DataError, match="2m_temperature for 20 of 24 hours .* 2020-01-01T20"):
        fetch(folder, request())
    with pytest.raises(
        DataError, match=r"1\.grib: found 2m_temperature .*expected also surface_pres"
    ):
        fetch(folder, request(fields={"surface_pressure": ()}))
    with pytest.raises(
        DataError,
        match="found hours from 2020-01-01T00 to 2020-01-01T19 in .*expected hours of 2021-01",
    ):
        fetch(folder, request("2021-01-01"))


def test_different_grids_are_refused(folder):
    write_day(folder / "1.grib")
    shifted = np.array([30.0, 29.0, 28.0])
    (folder / "2.grib").write_bytes(message(np.ones((3, 2)), short_name="10u", latitude=shifted))
    fields = {**T2M, "10m_u_component_of_wind": ()}
    with pytest.raises(DataError, match=r"2\.grib: found a grid of .* expected that of .*1\.grib"):
        fetch(folder, request(hours=1, fields=fields))


def test_levels_are_selected_and_absent_ones_named(folder):
    field = np.full((3, 2), 50.0)
    (folder / "1").write_bytes(
        b"".join(
            message(field + i, short_name="r", level=p) for i, p in enumerate((700, 850, 1000))
        )
    )
    month = fetch(folder, request(hours=1, fields={"relative_humidity": (1000, 700)}))
    assert month.dataset["level"].values.tolist() == [700, 1000]
    assert month.dataset["relative_humidity"].values[0, :, 0, 0].tolist() == [50.0, 52.0]
    with pytest.raises(DataError, match=r"on levels \[700, 850, 1000\]; expected \[500\]"):
        fetch(folder, request(hours=1, fields={"relative_humidity": (500,)}))


def test_a_file_without_known_variables_is_left_out(folder):
    write_day(folder / "1.grib")
    (folder / "2.grib").write_bytes(message(np.ones((3, 2)), short_name="lsm"))
    assert fetch(folder, request()).dataset.sizes["time"] == 24


def test_the_source_tells_its_name_and_attribution(folder):
    assert Files(str(folder)).name == "files"
    assert "Copernicus Climate Change Service" in (Files(str(folder)).attribution or "")


@needs_real_data
def test_a_real_month_in_both_formats_is_one_month(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("era5_2025_01.nc", "era5_2025_01.grib", "LICENSE"):
        shutil.copy(REAL / "era5-mumbai" / name, folder / name)
    fields = {**T2M, "sea_surface_temperature": ()}
    wanted = MonthRequest(Month(2025, 1), Month(2025, 1).hours(), fields)
    month = fetch(folder, wanted)
    assert len(month.manifest["files"]) == 2
    assert month.dataset.sizes["time"] == 744
    assert np.isnan(month.dataset["sea_surface_temperature"].values).sum() == 7 * 744


@needs_real_data
def test_real_hours_of_the_pearl_river_are_found(tmp_path):
    folder = REAL / "era5-pearl-river"
    source = Files(str(folder), pattern="*.nc")
    hours = np.arange(np.datetime64("2026-04-01T00"), np.datetime64("2026-04-09T00"))
    fields = {**T2M, "mean_sea_level_pressure": ()}
    month = source.fetch(MonthRequest(Month(2026, 4), hours, fields), tmp_path)
    assert month.dataset.sizes == {"time": 192, "latitude": 21, "longitude": 17}
    with pytest.raises(DataError, match="for 192 of 720 hours"):
        source.fetch(MonthRequest(Month(2026, 4), Month(2026, 4).hours(), fields), tmp_path)


@pytest.mark.long
@needs_real_data
def test_all_real_months_of_mumbai_are_found(tmp_path):
    folder = REAL / "era5-mumbai"
    indexed = files_index.index_folder(folder, pattern="*", cache=tmp_path / "index.json")
    assert len(indexed) == 62  # 60 months, and one in both formats
    hours = np.unique(np.concatenate([file.hours for file in indexed]))
    assert len(hours) == (5 * 365 + 2 + 31) * 24
    assert all(file.grid.matches(indexed[0].grid) for file in indexed)
    assert len(indexed[0].fields) == 6
