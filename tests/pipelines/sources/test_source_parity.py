"""Every source gives the same weather in the same form.

A source joins by an entry in `SOURCES`.
"""

import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid, equiangular
from met2net.data.variables import variable
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, open_archive
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Period
from pipelines.sources.arco import Arco
from pipelines.sources.cds import Cds
from pipelines.sources.files import Files, packing_tolerance
from pipelines.sources.source import MonthRequest, RawMonth, Source
from pipelines.sources.weatherbench import WeatherBench
from tests.builders import FakeSource
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.formats.grib_files import message
from tests.pipelines.sources.arco_store import write_arco
from tests.pipelines.sources.cds.acquiring import QUICK
from tests.pipelines.sources.weather_truth import FIELDS, make_truth
from tests.pipelines.sources.weatherbench_files import RESOLUTION, write_weatherbench

PERIOD = Period("2020-02-29", "2020-03-01")  # a leap day, and the turn of a month
PRELIMINARY_FROM = "2020-03-01"  # where a source knows preliminary fields

GLOBE = equiangular(22.5)
REGION = Grid(
    tuple(np.arange(25.0, 23.0, -0.25).tolist()), tuple(np.arange(110.0, 112.0, 0.25).tolist())
)


@dataclass(frozen=True)
class Case:
    """A source under test.

    Attributes:
        build: writes the truth where the source finds it, and gives the source; what must be
            closed at the end of the test goes onto the stack.
        grids: grids that the source may have.
        knows_releases: whether hours may be preliminary.
        is_packed: whether values are rounded as GRIB rounds them.
    """

    build: Callable[[xr.Dataset, Path, ExitStack], Source]
    grids: tuple[Grid, ...] = (GLOBE, REGION)
    knows_releases: bool = True
    is_packed: bool = False


def grib(truth: xr.Dataset, folder: Path, stack: ExitStack) -> Source:
    """Messages in any order, one file a month and level kind."""
    for month, part in truth.groupby("time.month"):
        for kind in ("surface", "pressure"):
            content = [
                _message(hour, name, level)
                for name, array in part.data_vars.items()
                if variable(str(name)).level_kind == kind
                for hour in array.transpose("time", ...)
                for level in ([hour.sel(level=p) for p in hour["level"]] if kind == "pressure"
                              else [hour])
            ]  # fmt: skip
            (folder / f"{month}-{kind}.grib").write_bytes(b"".join(content))
    return Files(str(folder))


def _message(hour: xr.DataArray, name: object, array: xr.DataArray) -> bytes:
    return message(
        array.values.astype(np.float64),
        short_name=variable(str(name)).grib_short_name,
        time=str(hour["time"].values.astype("datetime64[h]")),
        level=int(array["level"]) if "level" in array.coords else None,
        expver=str(hour["expver"].values),
        latitude=array["latitude"].values,
        longitude=array["longitude"].values,
    )


def netcdf(truth: xr.Dataset, folder: Path, stack: ExitStack) -> Source:
    """As the Climate Data Store writes it: a file a level kind."""
    for kind, dataset in _store_datasets(truth, lambda v: v.level_kind).items():
        dataset.to_netcdf(folder / f"{kind}.nc", engine="netcdf4")
    return Files(str(folder))


def zipped(truth: xr.Dataset, folder: Path, stack: ExitStack) -> Source:
    """As the Climate Data Store packs several step types, under a name that says otherwise."""
    members = _store_datasets(truth, lambda v: f"{v.level_kind}-{v.step_type}")
    with zipfile.ZipFile(folder / "download.nc", "w") as archive:
        for kind, dataset in members.items():
            path = folder.parent / "member.nc"
            dataset.to_netcdf(path, engine="netcdf4")
            archive.write(path, f"data_stream-oper_stepType-{kind}.nc")
    return Files(str(folder))


def _store_datasets(truth: xr.Dataset, key: Callable) -> dict[str, xr.Dataset]:
    """Split by a property of the variables, and spell all as the Climate Data Store does."""
    names: dict[str, list[str]] = {}
    for name in truth.data_vars:
        names.setdefault(key(variable(str(name))), []).append(str(name))
    return {kind: _as_store_netcdf(truth[chosen]) for kind, chosen in names.items()}


def _as_store_netcdf(truth: xr.Dataset) -> xr.Dataset:
    dataset = truth.rename(time="valid_time").assign_coords(number=0)
    for name in dataset.data_vars:
        table = variable(str(name))
        dataset[name].attrs = {
            "units": {"1": "(0 - 1)"}.get(table.units, table.units),
            "GRIB_shortName": table.grib_short_name,
        }
        dataset = dataset.rename({name: table.label})
    if "level" in dataset.dims:
        dataset = dataset.rename(level="pressure_level").sortby("pressure_level", ascending=False)
        dataset["pressure_level"].attrs = {"units": "hPa", "stored_direction": "decreasing"}
    return dataset.assign_coords(expver=("valid_time", truth["expver"].values.astype(object)))


def arco(truth: xr.Dataset, folder: Path, stack: ExitStack, *, zarr_format: int = 2) -> Source:
    final = truth["time"].values[truth["expver"].values == "0001"]
    return Arco(
        write_arco(
            folder / "store.zarr", truth, zarr_format=zarr_format,
            stop=str(final[-1].astype("datetime64[D]")),
            stop_era5t=str(truth["time"].values[-1].astype("datetime64[D]")),
        )
    )  # fmt: skip


def arco_in_format_3(truth: xr.Dataset, folder: Path, stack: ExitStack) -> Source:
    return arco(truth, folder, stack, zarr_format=3)


def weatherbench(truth: xr.Dataset, folder: Path, stack: ExitStack) -> Source:
    return WeatherBench(str(write_weatherbench(folder, truth)), RESOLUTION)


def weatherbench_single_levels(truth: xr.Dataset, folder: Path, stack: ExitStack) -> Source:
    return WeatherBench(str(write_weatherbench(folder, truth, single_levels=True)), RESOLUTION)


def cds(truth: xr.Dataset, folder: Path, stack: ExitStack, *, data_format: str = "grib") -> Source:
    """The local Climate Data Store makes up the same weather by itself."""
    store = stack.enter_context(
        ClimateDataStore(final_until=np.datetime64(PRELIMINARY_FROM, "h") - 1)
    )
    environment = {"CDSAPI_URL": store.url, "CDSAPI_KEY": store.key, "NO_PROXY": "127.0.0.1"}
    stack.enter_context(patch.dict("os.environ", environment))
    rows, columns = truth["latitude"].values, truth["longitude"].values
    grid = GridSettings(box=Box(rows[0], columns[0], rows[-1], columns[-1]))
    return Cds(grid=grid, data_format=data_format, patience=QUICK)


def cds_as_netcdf(truth: xr.Dataset, folder: Path, stack: ExitStack) -> Source:
    return cds(truth, folder, stack, data_format="netcdf")


SOURCES: Mapping[str, Case] = {
    "Climate Data Store": Case(cds, grids=(REGION,), is_packed=True),
    "Climate Data Store, netCDF": Case(cds_as_netcdf, grids=(REGION,), is_packed=True),
    "GRIB files": Case(grib, is_packed=True),
    "netCDF files": Case(netcdf),
    "zip files": Case(zipped),
    "ARCO": Case(arco),
    "ARCO in format 3": Case(arco_in_format_3, grids=(GLOBE,)),
    "WeatherBench": Case(weatherbench, grids=(GLOBE,), knows_releases=False),
    "WeatherBench, single levels": Case(
        weatherbench_single_levels, grids=(GLOBE,), knows_releases=False
    ),
}

COMBINATIONS = [
    pytest.param(case, grid, id=f"{name}-{'globe' if grid is GLOBE else 'region'}")
    for name, case in SOURCES.items()
    for grid in case.grids
]


def prepared(case: Case, grid: Grid, tmp_path: Path, stack: ExitStack) -> tuple[Source, xr.Dataset]:
    """Write the truth for a source; gives the source and the truth."""
    start = PRELIMINARY_FROM if case.knows_releases else None
    truth = make_truth(PERIOD.hours(), grid=grid, preliminary_from=start)
    folder = tmp_path / "data"
    folder.mkdir()
    return case.build(truth, folder, stack), truth


def assert_same_weather(found: xr.Dataset, expected: xr.Dataset, *, is_packed: bool) -> None:
    """Names, order of dims, dtypes, attributes and coordinates exactly; values to packing."""
    assert set(found.data_vars) == set(expected.data_vars)
    assert set(found.coords) == set(expected.coords)
    for name, coordinate in expected.coords.items():
        assert found[name].dtype == coordinate.dtype, name
        xr.testing.assert_identical(found[name].variable, coordinate.variable)
    for name, array in expected.data_vars.items():
        assert found[name].dims == array.dims
        assert found[name].dtype == array.dtype == np.float32
        assert found[name].attrs == array.attrs
        tolerance = packing_tolerance(str(name)) if is_packed else 0.0
        np.testing.assert_allclose(found[name], array, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("case", "grid"), COMBINATIONS)
def test_every_source_gives_a_month_in_the_same_form(tmp_path, case, grid):
    with ExitStack() as stack:
        source, truth = prepared(case, grid, tmp_path, stack)
        assert source.attribution is not None
        for month in PERIOD.months():
            request = MonthRequest(month, PERIOD.hours_in(month), FIELDS)
            raw = source.fetch(request, tmp_path / "raw")
            assert raw.dataset.attrs == {}
            expected = truth.sel(time=raw.dataset["time"])
            assert raw.dataset.sizes["time"] == len(request.hours)
            assert_same_weather(raw.dataset.compute(), expected, is_packed=case.is_packed)


@pytest.mark.parametrize("case", SOURCES.values(), ids=SOURCES)
def test_of_every_source_every_so_many_hours_can_be_had(tmp_path, case):
    with ExitStack() as stack:
        source, truth = prepared(case, case.grids[0], tmp_path, stack)
        bring_in(source, tmp_path, step_hours=6)
        archive = open_archive(tmp_path / "archive")
        expected = truth.sel(time=PERIOD.hours(6).astype("datetime64[ns]"))
        np.testing.assert_array_equal(archive["time"].values, expected["time"].values)
        assert archive["expver"].values.tolist() == expected["expver"].values.tolist()
        for name, array in expected.data_vars.items():
            tolerance = packing_tolerance(str(name)) if case.is_packed else 0.0
            np.testing.assert_allclose(archive[name].values, array, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("case", "grid"), COMBINATIONS)
def test_every_source_makes_the_same_archive(tmp_path, case, grid, expected_archive):
    with ExitStack() as stack:
        source, truth = prepared(case, grid, tmp_path, stack)
        state = bring_in(source, tmp_path)
        assert state.months == ("2020-02", "2020-03")
        archive = open_archive(tmp_path / "archive")
        assert archive.attrs["source"] == source.name
        expected = expected_archive(grid, truth)
        assert_same_weather(archive.compute(), expected, is_packed=case.is_packed)
        assert bring_in(source, tmp_path, replace=True) == state  # unchanged: no commit


def bring_in(source: Source, folder: Path, **changes: int) -> ArchiveState:
    return ingest(
        source, period=PERIOD, fields=FIELDS, grid=GridSettings(), raw_folder=folder / "raw",
        path=folder / "archive", **changes,
    )  # fmt: skip


@dataclass(frozen=True)
class Exact(FakeSource):
    """Hands over the truth itself."""

    truth: xr.Dataset = field(default_factory=xr.Dataset, compare=False)

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        month = self.truth.sel(time=request.hours.astype("datetime64[ns]"))
        return RawMonth(month, {"source": self.name})


@pytest.fixture(scope="module")
def expected_archive(tmp_path_factory) -> Callable[[Grid, xr.Dataset], xr.Dataset]:
    """Gives the archive of a source that hands over the truth itself, made once each."""
    made: dict[tuple[Grid, str], xr.Dataset] = {}

    def archive(grid: Grid, truth: xr.Dataset) -> xr.Dataset:
        key = grid, " ".join(truth["expver"].values)
        if key not in made:
            folder = tmp_path_factory.mktemp("expected")
            bring_in(Exact(truth=truth), folder)
            made[key] = open_archive(folder / "archive").compute()
        return made[key]

    return archive
