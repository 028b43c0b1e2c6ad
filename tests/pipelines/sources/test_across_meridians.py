"""Regions across the Greenwich meridian and the antimeridian: the right value at its place."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid, equiangular
from pipelines.archive.ingest import ingest
from pipelines.archive.state import open_archive
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Period
from pipelines.sources.cds import Cds
from pipelines.sources.files import Files, packing_tolerance
from pipelines.sources.source import Source
from pipelines.sources.weatherbench import WeatherBench
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.formats.grib_files import message
from tests.pipelines.sources.cds.acquiring import QUICK
from tests.pipelines.sources.weather_truth import make_truth
from tests.pipelines.sources.weatherbench_files import RESOLUTION, write_weatherbench

T2M = {"2m_temperature": ()}
DAY = Period("2020-01-01", "2020-01-01")
ROWS = (51.0, 50.75, 50.5)
ACROSS = {
    "Greenwich": (Box(51, -1, 50.5, 1), Grid(ROWS, tuple(np.arange(-1.0, 1.25, 0.25)))),
    "Greenwich from 359": (Box(51, 359, 50.5, 1), Grid(ROWS, tuple(np.arange(-1.0, 1.25, 0.25)))),
    "antimeridian": (Box(51, 179, 50.5, -179), Grid(ROWS, tuple(np.arange(179.0, 181.25, 0.25)))),
}
REGIONS = pytest.mark.parametrize(("box", "grid"), ACROSS.values(), ids=ACROSS)


def archived(source: Source, folder: Path, grid: GridSettings) -> xr.DataArray:
    """Bring a day into an archive, and give what can be read back from there."""
    ingest(source, period=DAY, fields=T2M, grid=grid, raw_folder=folder / "raw",
           path=folder / "archive")  # fmt: skip
    return open_archive(folder / "archive")["2m_temperature"].load()


def assert_is_truth(found: xr.DataArray, grid: Grid, *, packed: bool = False) -> None:
    """Every value is that of its place; longitudes are counted as the grid counts them."""
    truth = make_truth(DAY.hours(), grid=grid, fields=T2M)["2m_temperature"]
    assert found["longitude"].values.tolist() == list(grid.longitude)
    assert found["latitude"].values.tolist() == list(grid.latitude)
    tolerance = packing_tolerance("2m_temperature") if packed else 0.0
    np.testing.assert_allclose(found.values, truth.values, rtol=0, atol=tolerance)


def counted(truth: xr.Dataset, start: float, *, in_order: bool = False) -> xr.Dataset:
    """Count longitudes from another start, as they lie or from the smallest on."""
    longitude = start + (truth["longitude"] - start) % 360.0
    counted = truth.assign_coords(longitude=longitude).rename({"2m_temperature": "t2m"})
    return (counted.sortby("longitude") if in_order else counted).drop_vars("expver")


@pytest.mark.parametrize("start", [-180.0, 0.0, 90.0])
@pytest.mark.parametrize("in_order", [True, False])
@REGIONS
def test_files_may_count_longitudes_from_anywhere(
    tmp_path: Path, box: Box, grid: Grid, start: float, in_order: bool
) -> None:
    truth = make_truth(DAY.hours(), grid=grid, fields=T2M)
    (tmp_path / "data").mkdir()
    counted(truth, start, in_order=in_order).to_netcdf(tmp_path / "data/a.nc", engine="netcdf4")
    found = archived(Files(str(tmp_path / "data")), tmp_path, GridSettings(box=box))
    assert_is_truth(found, grid)


@REGIONS
def test_grib_files(tmp_path: Path, box: Box, grid: Grid) -> None:
    truth = make_truth(DAY.hours(), grid=grid, fields=T2M)["2m_temperature"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.grib").write_bytes(
        b"".join(
            message(
                hour.values.astype(np.float64), time=str(hour["time"].values.astype("M8[h]")),
                latitude=np.array(grid.latitude), longitude=np.array(grid.longitude) % 360.0,
                iDirectionIncrementInDegrees=0.25,
            )
            for hour in truth
        )
    )  # fmt: skip
    found = archived(Files(str(tmp_path / "data")), tmp_path, GridSettings())
    assert_is_truth(found, grid, packed=True)


GLOBE = equiangular(22.5)
HALF = Grid(GLOBE.latitude, tuple(np.arange(-90.0, 112.5, 22.5)))
BANDS = {
    "Greenwich": (Box(60, -45, -60, 45), tuple(np.arange(-45.0, 67.5, 22.5)[:5])),
    "Greenwich from 315": (Box(60, 315, -60, 45), tuple(np.arange(-45.0, 67.5, 22.5)[:5])),
    "antimeridian": (Box(60, 135, -60, -135), tuple(np.arange(135.0, 247.5, 22.5)[:5])),
}


@pytest.mark.parametrize("kind", ["files", "weatherbench"])
@pytest.mark.parametrize(("box", "columns"), BANDS.values(), ids=BANDS)
def test_a_band_of_the_globe(
    tmp_path: Path, kind: str, box: Box, columns: tuple[float, ...]
) -> None:
    truth = make_truth(DAY.hours(), grid=GLOBE, fields=T2M)
    folder = tmp_path / "data"
    folder.mkdir()
    source: Source
    if kind == "files":
        counted(truth, -180.0, in_order=True).to_netcdf(folder / "a.nc", engine="netcdf4")
        source = Files(str(folder))
    else:
        source = WeatherBench(str(write_weatherbench(folder, truth)), RESOLUTION)
    found = archived(source, tmp_path, GridSettings(box=box))
    assert_is_truth(found, Grid((56.25, 33.75, 11.25, -11.25, -33.75, -56.25), columns))


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
@pytest.mark.parametrize("source", [GLOBE, HALF], ids=["globe", "region"])
def test_computed_values_do_not_depend_on_where_longitudes_begin(method, source: Grid) -> None:
    values = np.random.default_rng(1).normal(280.0, 5.0, source.shape)
    field = xr.Dataset(
        {"2m_temperature": (("latitude", "longitude"), values)},
        coords={"latitude": list(source.latitude), "longitude": list(source.longitude)},
    )
    turned = field.assign_coords(longitude=(field["longitude"] + 112.5) % 360).sortby("longitude")
    settings = {"resolution": 25.0, "method": method}
    across = regrid(field, GridSettings(box=Box(50, -50, -50, 50), **settings))
    aside = regrid(turned, GridSettings(box=Box(50, 62.5, -50, 162.5), **settings))
    assert across["longitude"].values.tolist() == [-50.0, -25.0, 0.0, 25.0, 50.0]
    np.testing.assert_allclose(across["2m_temperature"], aside["2m_temperature"], rtol=1e-12)


@REGIONS
def test_the_service_is_asked_for_the_region_alone(tmp_path: Path, box: Box, grid: Grid) -> None:
    with ClimateDataStore() as store:
        environment = {"CDSAPI_URL": store.url, "CDSAPI_KEY": store.key, "NO_PROXY": "127.0.0.1"}
        with patch.dict("os.environ", environment):
            source = Cds(grid=GridSettings(box=box), patience=QUICK)
            found = archived(source, tmp_path, GridSettings(box=box))
    assert source.area is not None
    assert len(source.area.longitude) == len(grid.longitude) == 9
    assert -180 <= source.area.west < source.area.east <= 360
    assert_is_truth(found, grid, packed=True)
