import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import equiangular
from pipelines.errors import DataError
from pipelines.period import Month, Period
from pipelines.sources import files_index
from pipelines.sources.source import MonthRequest
from pipelines.sources.weatherbench import WeatherBench
from tests.pipelines.sources.weather_truth import make_truth
from tests.pipelines.sources.weatherbench_files import RESOLUTION, write_weatherbench

PERIOD = Period("1979-12-30", "1980-01-02")
DECEMBER = Period("1979-12-30", "1979-12-31")
FIELDS = {"2m_temperature": (), "temperature": (500, 850)}


def truth(**changes) -> xr.Dataset:
    fields = {
        "2m_temperature": (), "temperature": (500, 850, 1000), "relative_humidity": (850,),
    }  # fmt: skip
    arguments = {"grid": equiangular(22.5), "fields": fields, **changes}
    return make_truth(PERIOD.hours(), **arguments)


def request(period: Period = DECEMBER, fields=FIELDS) -> MonthRequest:
    return MonthRequest(Month.of(period.first), period.hours(), fields)


def fetch(folder: Path, wanted: MonthRequest | None = None, resolution: str = RESOLUTION):
    source = WeatherBench(str(folder), resolution)
    return source.fetch(wanted or request(), folder.parent / "raw")


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_weatherbench(tmp_path / "wb", truth())


def test_the_default_is_the_papers_resolution():
    assert WeatherBench("x").resolution == "5.625deg"
    assert "Copernicus" in WeatherBench("x").attribution


@pytest.mark.parametrize("resolution", ["5.625", "coarse", "-5deg", "deg", "7deg", "0deg"])
def test_a_resolution_that_is_none_is_refused(resolution):
    with pytest.raises(ValueError, match="expected as '5.625deg'|does not divide 180 degrees"):
        WeatherBench("x", resolution)


@pytest.mark.parametrize("single_levels", [False, True])
def test_a_month_comes_north_first_with_the_wanted_hours_and_levels(tmp_path, single_levels):
    folder = write_weatherbench(tmp_path / "wb", truth(), single_levels=single_levels)
    month = fetch(folder)
    assert month.dataset["latitude"].values[[0, -1]].tolist() == [78.75, -78.75]
    assert month.dataset["level"].values.tolist() == [500, 850]
    expected = truth().sel(time=DECEMBER.hours().astype("datetime64[ns]"), level=[500, 850])
    for name in FIELDS:
        np.testing.assert_array_equal(month.dataset[name], expected[name])
    assert month.dataset["expver"].values.tolist() == ["0001"] * 48


def test_only_the_files_of_the_year_and_of_the_variables_are_opened(folder):
    for spoiled in (
        "2m_temperature/2m_temperature_1980",
        "relative_humidity/relative_humidity_1979",
    ):
        (folder / f"{spoiled}_22.5deg.nc").write_bytes(b"broken")
    month = fetch(folder)
    assert [file["name"] for file in month.manifest["files"]] == [
        "2m_temperature_1979_22.5deg.nc", "temperature_1979_22.5deg.nc",
    ]  # fmt: skip
    assert {len(file["sha256"]) for file in month.manifest["files"]} == {64}
    json.dumps(month.manifest)


def test_a_yearly_file_is_hashed_once(folder, monkeypatch):
    fetch(folder)
    monkeypatch.setattr(files_index, "_index_file", lambda path: pytest.fail(f"{path} again"))
    first = Period("1979-12-31", "1979-12-31")
    assert fetch(folder, request(first)).dataset.sizes["time"] == 24


def test_nothing_is_written_into_the_folder(folder):
    before = sorted(folder.rglob("*"))
    fetch(folder)
    assert sorted(folder.rglob("*")) == before


def test_single_levels_serve_where_the_year_has_no_file_of_all(folder):
    single = write_weatherbench(folder, truth(), single_levels=True)
    (single / "temperature" / "temperature_1979_22.5deg.nc").unlink()
    names = [file["name"] for file in fetch(folder).manifest["files"]]
    assert names == ["2m_temperature_1979_22.5deg.nc", "temperature_500hPa_1979_22.5deg.nc",
                     "temperature_850hPa_1979_22.5deg.nc"]  # fmt: skip


def test_a_file_of_one_level_without_any_mark_of_it_gets_that_level(tmp_path):
    folder = write_weatherbench(tmp_path / "wb", truth(), single_levels=True)
    path = folder / "temperature_500" / "temperature_500hPa_1979_22.5deg.nc"
    rewrite(path, lambda d: d.drop_vars("level"))
    month = fetch(folder, request(fields={"temperature": (500,)}))
    np.testing.assert_array_equal(
        month.dataset["temperature"], truth()["temperature"][:48].sel(level=[500])
    )


def rewrite(path: Path, change, **settings) -> None:
    with xr.open_dataset(path) as stored:
        changed = change(stored.load())
    path.unlink()
    changed.to_netcdf(path, engine="netcdf4", **settings)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder; expected WeatherBench's folders"):
        fetch(tmp_path / "wb")


def test_a_missing_variable_is_named_with_the_folders_that_are_there(folder):
    with pytest.raises(
        DataError,
        match=r"found no 22\.5deg file of total_cloud_cover \(folders: 2m_temperature, relative_h.*"
        r"expected .*total_cloud_cover/total_cloud_cover_1979_22\.5deg\.nc$",
    ):
        fetch(folder, request(fields={"total_cloud_cover": ()}))
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"\(folders: none\)"):
        fetch(folder / "empty")


def test_a_missing_year_is_named_with_those_that_are_there(folder):
    with pytest.raises(
        DataError, match=r"found 2m_temperature_1979_22\.5deg\.nc to 2m_temperature_1980_22\.5deg"
        r"\.nc; expected .*2m_temperature_1981_22\.5deg\.nc",
    ):  # fmt: skip
        fetch(folder, request(Period("1981-01-01", "1981-01-02")))


def test_another_resolution_than_the_files_is_refused(folder):
    with pytest.raises(DataError, match=r"found no 5\.625deg file of 2m_temperature"):
        fetch(folder, resolution="5.625deg")


def test_a_missing_level_is_named(folder, tmp_path):
    with pytest.raises(DataError, match=r"found levels \[500, 850, 1000\]; expected \[500, 925\]"):
        fetch(folder, request(fields={"temperature": (500, 925)}))
    single = write_weatherbench(tmp_path / "single", truth(), single_levels=True)
    with pytest.raises(
        DataError, match=r"found temperature_1000hPa_1979.* to temperature_850hPa_1980.*; expected "
        r".*temperature_925hPa_1979_22\.5deg\.nc$",
    ):  # fmt: skip
        fetch(single, request(fields={"temperature": (850, 925)}))
    with pytest.raises(DataError, match=r"or .*temperature_300/temperature_300hPa_1979.*nc$"):
        fetch(single, request(fields={"temperature": (300,)}))


def test_missing_hours_are_named(folder):
    path = folder / "2m_temperature" / "2m_temperature_1979_22.5deg.nc"
    rewrite(path, lambda d: d.isel(time=slice(7, None)))  # as tp and tisr of 1979 are
    with pytest.raises(
        DataError, match="found 41 hours, 1979-12-30T07 to 1979-12-31T23; .*, of which 7 are "
        "missing, the first 1979-12-30T00",
    ):  # fmt: skip
        fetch(folder)
    assert fetch(folder, request(Period("1979-12-31", "1979-12-31"))).dataset.sizes["time"] == 24


def test_a_file_with_something_else_than_its_name_says_is_refused(folder, tmp_path):
    path = folder / "2m_temperature" / "2m_temperature_1979_22.5deg.nc"
    rewrite(path, lambda d: d.rename(t2m="t850"))
    with pytest.raises(DataError, match="found t850; expected 2m_temperature"):
        fetch(folder)
    rewrite(path, lambda d: d.rename(t850="t2m").isel(lat=slice(1, None)))
    with pytest.raises(DataError, match=r"found a grid of 7 x 16 points.*expected 8 x 16 points"):
        fetch(folder)
    single = write_weatherbench(tmp_path / "single", truth(), single_levels=True)
    path = single / "temperature_500" / "temperature_500hPa_1979_22.5deg.nc"
    rewrite(path, lambda d: d.assign_coords(level=850))
    with pytest.raises(DataError, match="found level 850; expected 500 hPa"):
        fetch(single, request(fields={"temperature": (500,)}))


def test_a_broken_file_is_refused_by_name(folder):
    path = folder / "2m_temperature" / "2m_temperature_1979_22.5deg.nc"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"2m_temperature_1979_22\.5deg\.nc: found a broken"):
        fetch(folder)


def test_axes_that_differ_by_rounding_are_one_grid(folder):
    path = folder / "2m_temperature" / "2m_temperature_1979_22.5deg.nc"
    rewrite(path, lambda d: d.assign_coords(lat=d["lat"] + 2e-5))
    month = fetch(folder)
    assert month.dataset["latitude"].values.tolist() == list(equiangular(22.5).latitude)
    assert int(month.dataset["2m_temperature"].isnull().sum()) == 0


def test_levels_with_noise_are_those_that_they_mean(folder, tmp_path):
    def noise(stored: xr.Dataset) -> xr.Dataset:
        level = stored["level"].astype(np.float32) - np.float32(6e-5)
        return stored.assign_coords(level=level.assign_attrs(units="millibars"))

    rewrite(folder / "temperature" / "temperature_1979_22.5deg.nc", noise)
    single = write_weatherbench(tmp_path / "single", truth(), single_levels=True)
    for level in (500, 850):
        stem = f"temperature_{level}/temperature_{level}hPa_1979_22.5deg.nc"
        rewrite(single / stem, noise)
    for place in (folder, single):
        field = fetch(place).dataset["temperature"]
        assert field["level"].values.tolist() == [500, 850]
        expected = truth()["temperature"].sel(level=[500, 850], time=field["time"])
        np.testing.assert_array_equal(field.values, expected.values)


def test_a_damaged_chunk_names_its_file(folder):
    path = folder / "2m_temperature" / "2m_temperature_1979_22.5deg.nc"
    rewrite(path, lambda d: d, encoding={"t2m": {"zlib": True, "chunksizes": (24, 8, 16)}})
    with h5py.File(path) as file:
        stored = file["t2m"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(stored.byte_offset + stored.size // 2)
        file.write(b"\xff" * 8)
    month = fetch(folder)
    with pytest.raises(DataError, match=r"2m_temperature_1979_22\.5deg\.nc: found a broken netCDF"):
        month.dataset["2m_temperature"].load()


def test_a_file_without_records_is_a_missing_month(folder):
    path = folder / "2m_temperature" / "2m_temperature_1979_22.5deg.nc"
    rewrite(path, lambda d: d.isel(time=slice(0)).drop_encoding(), unlimited_dims=["time"])
    with pytest.raises(DataError, match="found 0 hours; expected all of"):
        fetch(folder)
