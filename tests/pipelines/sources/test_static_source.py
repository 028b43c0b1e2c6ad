"""Static fields of every source: right values and units, fetched once, refused in one line."""

import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid, equiangular
from met2net.data.static_fields import STATIC_VARIABLES
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.sources import static_source
from pipelines.sources.arco import Arco
from pipelines.sources.cds import Cds
from pipelines.sources.files import Files
from pipelines.sources.gcm import Gcm
from pipelines.sources.generated import Generated
from pipelines.sources.static_source import (
    RawStatic,
    StaticSource,
    check_static,
    raw_static_fields,
)
from pipelines.sources.weatherbench import WeatherBench
from tests.builders import FakeSource
from tests.pipelines.formats.test_static_files import BOTH, HEIGHTS, LAND, G, message, netcdf
from tests.pipelines.sources.arco_store import write_arco
from tests.pipelines.sources.weather_truth import make_truth
from tests.simulator import needs_simulator

NOWHERE = Path("nowhere")
GRID = Grid((20.0, 19.0, 18.0), (70.0, 71.0))
HOURS = np.datetime64("2020-02-28T00", "h") + np.arange(48)


def test_all_sources_of_weather_have_them_and_a_message_says_which() -> None:
    sources = [Arco(), Cds(), Files("x"), Gcm(), Generated(), WeatherBench("x")]
    assert all(isinstance(source, StaticSource) for source in sources)
    assert tuple(source.name for source in sources) == static_source._OFFERED_BY
    for source in sources:
        check_static(source, BOTH)
    check_static(FakeSource(), ())
    text = "have orography, and source fake has no static fields; expected one of arco, cds, files,"
    with pytest.raises(DataError, match=text):
        check_static(FakeSource(), ["orography"])
    assert raw_static_fields(FakeSource(), (), raw_folder=NOWHERE) == {}


def test_they_are_fetched_once_and_kept_with_what_they_were_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    fetch = Generated.fetch_static
    monkeypatch.setattr(
        Generated, "fetch_static", lambda self, names, raw: asked.append(names) or
        fetch(self, names, raw),
    )  # fmt: skip
    source = Generated(grid=GridSettings(resolution=30.0))
    first = raw_static_fields(source, ["orography"], raw_folder=tmp_path)
    again = raw_static_fields(source, BOTH, raw_folder=tmp_path)
    assert asked == [["orography"], ["land_sea_mask"]]
    assert isinstance(first["orography"], RawStatic) and list(again) == list(BOTH)
    xr.testing.assert_identical(first["orography"].field, again["orography"].field)
    assert first["orography"].manifest["source"] == "generated"
    raw_static_fields(Generated(seed=1), ["orography"], raw_folder=tmp_path)
    assert len(asked) == 3
    [kept] = tmp_path.glob("static_fields/generated-*/land_sea_mask.nc")
    kept.write_bytes(b"\x89HDF\r\n\x1a\nnothing")
    with pytest.raises(DataError, match=r"land_sea_mask.nc: found a broken netCDF file"):
        raw_static_fields(source, BOTH, raw_folder=tmp_path)


def test_made_up_ground_is_possible() -> None:
    found = Generated().fetch_static(BOTH, NOWHERE)
    for name, raw in found.items():
        low, high = STATIC_VARIABLES[name].valid_range
        assert low <= float(raw.field.min()) < float(raw.field.max()) <= high
        assert raw.field.attrs["units"] == STATIC_VARIABLES[name].units
        assert Grid.from_dataset(raw.field.to_dataset()).matches(equiangular(5.625))


@needs_simulator
def test_the_simulators_ground_is_its_file_s_and_nothing_is_built() -> None:
    loaded = "jax" in sys.modules
    found = Gcm().fetch_static(BOTH, NOWHERE)
    assert ("jax" in sys.modules) == loaded
    path = Path(util.find_spec("jcm").origin).parent / "data/bc/t30/clim/terrain.nc"
    with xr.open_dataset(path) as stored:
        for name, known_as in (("orography", "orog"), ("land_sea_mask", "lsm")):
            field = found[name].field
            for lat, lon in ((45, 7.5), (0, 22.5), (-75, 0), (30, 90), (0, 180)):  # Alps, Congo ...
                near = {"lat": lat, "lon": lon}
                expected = float(stored[known_as].sel(near, method="nearest"))
                at = {"latitude": lat, "longitude": lon}
                assert float(field.sel(at, method="nearest")) == expected, (name, lat, lon)
    mask = found["land_sea_mask"].field
    assert float(mask.sel(latitude=0, longitude=22.5, method="nearest")) == 1.0
    assert float(mask.sel(latitude=0, longitude=180, method="nearest")) == 0.0
    height = found["orography"].field
    assert 4000 < float(height.sel(latitude=33, longitude=86, method="nearest")) < 5500  # Tibet
    # Its points are those of the weather, which `Simulator` takes from the same Gaussian grid.
    np.testing.assert_allclose(height["latitude"].values[:2], [87.159095, 83.478937], atol=1e-6)


@pytest.fixture
def wb(tmp_path: Path) -> Path:
    grid = equiangular(22.5)
    axes = {"lat": list(grid.latitude)[::-1], "lon": list(grid.longitude)}
    heights = np.add.outer(np.arange(8.0), np.arange(16.0)) * 100
    constants = xr.Dataset(
        {"orography": (("lat", "lon"), heights, {"units": "m"}),
         "lsm": (("lat", "lon"), heights / heights.max(), {"units": "(0 - 1)"})}, coords=axes,
    )  # fmt: skip
    folder = tmp_path / "wb"
    (folder / "constants").mkdir(parents=True)
    constants.to_netcdf(folder / "constants" / "constants_22.5deg.nc")
    return folder


def test_weatherbench_has_its_constants(wb: Path) -> None:
    found = WeatherBench(str(wb), "22.5deg").fetch_static(BOTH, NOWHERE)
    assert float(found["orography"].field[0, 0]) == 700.0  # north first
    assert float(found["land_sea_mask"].field[0, 15]) == 1.0
    assert found["orography"].manifest["files"][0]["name"] == "constants_22.5deg.nc"
    with pytest.raises(DataError, match="constants_5.625deg.nc: found no such file; expected"):
        WeatherBench(str(wb)).fetch_static(BOTH, NOWHERE)
    path = wb / "constants" / "constants_22.5deg.nc"
    with xr.open_dataset(path) as stored:
        without = stored.load().drop_vars("lsm")
    without.to_netcdf(path)
    with pytest.raises(DataError, match="found no land_sea_mask; expected all"):
        WeatherBench(str(wb), "22.5deg").fetch_static(BOTH, NOWHERE)


def test_arco_gives_its_first_valid_hour(tmp_path: Path) -> None:
    truth = make_truth(HOURS, grid=GRID, fields={"2m_temperature": ()})
    dims = ("time", "latitude", "longitude")
    truth["geopotential_at_surface"] = (
        dims, np.stack([HEIGHTS * G] * 48).astype(np.float32), {"units": "m2 s-2"},
    )  # fmt: skip
    url = write_arco(tmp_path / "store", truth)
    found = Arco(url).fetch_static(["orography"], NOWHERE)["orography"]
    np.testing.assert_allclose(found.field.values, HEIGHTS, rtol=1e-6)
    assert found.manifest == {"source": "arco", "url": url, "hour": "2020-02-28T00"}
    with pytest.raises(DataError, match="found no land_sea_mask among 2 variables; expected it"):
        Arco(url).fetch_static(BOTH, NOWHERE)
    with xr.open_zarr(url) as store:
        store = store.load().assign_attrs(valid_time_start="2019-01-01")
    for name in store.variables:
        store[name].encoding.clear()
    store.to_zarr(tmp_path / "other", consolidated=True, zarr_format=2)
    with pytest.raises(DataError, match="a time axis without 2019-01-01T00; expected it to begin"):
        Arco(str(tmp_path / "other")).fetch_static(["orography"], NOWHERE)


def test_files_may_have_them_anywhere(tmp_path: Path) -> None:
    (tmp_path / "month.grib").write_bytes(
        message(280 + LAND) + message(HEIGHTS * G, short_name="z")
    )
    netcdf(tmp_path / "constants.nc", LAND, name="lsm", units="1")
    netcdf(tmp_path / "orography.nc", HEIGHTS, name="orog", units="m")
    (tmp_path / "note.txt").write_text("nothing")
    found = Files(str(tmp_path)).fetch_static(BOTH, NOWHERE)
    np.testing.assert_allclose(found["orography"].field.values, HEIGHTS, atol=0.05)
    np.testing.assert_array_equal(found["land_sea_mask"].field.values, LAND)
    names = [file["name"] for file in found["orography"].manifest["files"]]
    assert names == ["month.grib", "orography.nc"]
    netcdf(tmp_path / "orography.nc", HEIGHTS + 20, name="orog", units="m")
    with pytest.raises(DataError, match="found orography both in .*month.grib and in .*differ by up"
                       " to 20"):  # fmt: skip
        Files(str(tmp_path)).fetch_static(BOTH, NOWHERE)
    moved = xr.open_dataset(tmp_path / "orography.nc").load().assign_coords(longitude=[70.0, 72.0])
    moved.to_netcdf(tmp_path / "moved.nc")
    with pytest.raises(DataError, match="moved.nc: found orography on .*70, 72; expected that of"):
        Files(str(tmp_path), "mo*").fetch_static(BOTH, NOWHERE)


def test_weather_of_the_same_name_is_passed_over(tmp_path: Path) -> None:
    moving = np.stack([HEIGHTS, HEIGHTS + 50]) * G
    netcdf(tmp_path / "a_level.nc", moving)
    with pytest.raises(DataError, match="found no orography .*a_level.nc: z changes with time"):
        Files(str(tmp_path)).fetch_static(["orography"], NOWHERE)
    netcdf(tmp_path / "invariant.nc")
    found = Files(str(tmp_path)).fetch_static(["orography"], NOWHERE)["orography"]
    assert [file["name"] for file in found.manifest["files"]] == ["invariant.nc"]
    np.testing.assert_allclose(found.field.values, HEIGHTS, rtol=1e-6)


def test_files_without_them_are_told_what_is_looked_for(tmp_path: Path) -> None:
    netcdf(tmp_path / "constants.nc", LAND, name="lsm", units="1")
    with pytest.raises(DataError, match=r"found no orography in its files; .*\(orography: orography"
                       " or orog or"):  # fmt: skip
        Files(str(tmp_path)).fetch_static(BOTH, NOWHERE)
    with pytest.raises(DataError, match="found no such folder"):
        Files(str(tmp_path / "none")).fetch_static(BOTH, NOWHERE)
