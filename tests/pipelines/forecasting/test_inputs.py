from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from met2net.checkpoint import load_checkpoint
from met2net.data.grid import equiangular
from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.forecasting.inputs import (
    choose_init_time,
    read_fields,
    read_inputs,
    read_source,
    write_inputs,
)
from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FIELDS, FakeSource, make_month, month_hours
from tests.pipelines.small_project import make_checkpoint, make_training_set

LABELS = ("t2m", "u10", "r850", "r1000")
WINDOW = WindowSpec((-6, -1, 0), (1, 2))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("project")
    return load_checkpoint(make_checkpoint(folder / "m.safetensors", make_training_set(folder)))


def hours(first: str, count: int) -> np.ndarray:
    return np.datetime64(first, "h") + np.arange(count)


def test_the_newest_init_time_has_all_its_input_hours() -> None:
    times = hours("2016-01-01T00", 24)
    assert choose_init_time(times, WINDOW, init_time=None) == np.datetime64("2016-01-01T23")
    # Hour 17 is missing, so is -6 h of hour 23; hour 22 lacks nothing.
    gap = np.delete(times, 17)
    assert choose_init_time(gap, WINDOW, init_time=None) == np.datetime64("2016-01-01T22")
    assert choose_init_time(times[::-1], WINDOW, init_time=None) == np.datetime64("2016-01-01T23")


def test_init_times_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="found 3 hours, .*; expected the 3 hours at -6, -1, 0 h"):
        choose_init_time(hours("2016-01-01T00", 3), WINDOW, init_time=None)
    with pytest.raises(DataError, match="found 0 hours; expected"):
        choose_init_time(hours("2016-01-01T00", 0), WINDOW, init_time=None)
    with pytest.raises(DataError, match="init_time is 'noon'; expected an hour in UTC"):
        choose_init_time(hours("2016-01-01T00", 3), WINDOW, init_time="noon")


@pytest.mark.parametrize("name", ["fields.nc", "fields.zarr"])
def test_netcdf_and_zarr_give_the_same_fields(tmp_path: Path, name: str) -> None:
    month = make_month(month_hours("2016-01")[:24]).assign_attrs(attribution="made up")
    if name.endswith("nc"):
        month.to_netcdf(tmp_path / name)
    else:
        month.drop_vars("expver").to_zarr(tmp_path / name, consolidated=False)
    found = read_fields(tmp_path / name, LABELS)
    for field in FIELDS:
        np.testing.assert_array_equal(found[field].values, month[field].values)


def test_short_names_and_rising_latitudes_of_a_download_are_understood(tmp_path: Path) -> None:
    month = make_month(month_hours("2016-01")[:24], fields={"2m_temperature": ()})
    raw = month.rename({"time": "valid_time", "2m_temperature": "t2m"}).isel(
        latitude=slice(None, None, -1)
    )
    raw.to_netcdf(tmp_path / "download.nc")
    found = read_fields(tmp_path / "download.nc", ("t2m",))
    np.testing.assert_array_equal(found["2m_temperature"], month["2m_temperature"])


def test_a_derived_channel_is_computed_where_a_file_lacks_it(tmp_path: Path) -> None:
    wind = {"10m_u_component_of_wind": (), "10m_v_component_of_wind": ()}
    month = make_month(month_hours("2016-01")[:3], fields=wind)
    month.to_netcdf(tmp_path / "wind.nc")
    found = read_fields(tmp_path / "wind.nc", ("ws10",))
    u, v = (month[name].values for name in wind)
    np.testing.assert_allclose(found["10m_wind_speed"].values, np.hypot(u, v), rtol=1e-6)


def test_what_holds_no_fields_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no .*gone\.nc; expected a netCDF"):
        read_fields(tmp_path / "gone.nc", LABELS)
    with pytest.raises(DataError, match="is a folder without Zarr metadata; .* input=source"):
        read_fields(tmp_path, LABELS)
    xr.Dataset({"sales": ("time", [1.0])}).to_netcdf(tmp_path / "sales.nc")
    with pytest.raises(DataError, match="found no known variable"):
        read_fields(tmp_path / "sales.nc", LABELS)


def test_a_source_gives_hours_across_two_months(tmp_path: Path) -> None:
    wanted = hours("2016-01-31T22", 4)
    found = read_source(
        FakeSource(), fields=FIELDS, grid=GridSettings(), hours=wanted, raw_folder=tmp_path
    )
    assert (found["time"].values == wanted).all()
    expected = make_month(wanted)
    np.testing.assert_array_equal(found["2m_temperature"], expected["2m_temperature"])
    assert found.attrs["attribution"] == "Contains made-up weather."


def test_inputs_are_the_model_s_hours_and_fields_alone(tmp_path: Path, checkpoint) -> None:
    month = make_month(month_hours("2016-01")[:48], fields={**FIELDS, "total_cloud_cover": ()})
    start = np.datetime64("2016-01-02T05", "ns")
    write_inputs(month, checkpoint, init_time=start, folder=tmp_path)
    found = read_inputs(tmp_path)
    assert found["time"].values.tolist() == (start + np.arange(-2, 1) * 3600 * 10**9).tolist()
    assert set(found.data_vars) == set(FIELDS)
    np.testing.assert_array_equal(
        found["2m_temperature"], month["2m_temperature"].sel(time=found["time"])
    )


def test_missing_hours_and_variables_are_named(tmp_path: Path, checkpoint) -> None:
    month = make_month(month_hours("2016-01")[:48])
    late = np.datetime64("2016-01-03T01", "ns")
    with pytest.raises(DataError, match="found no fields at 2016-01-03T00, 2016-01-03T01; found"):
        write_inputs(month, checkpoint, init_time=late, folder=tmp_path)
    with pytest.raises(DataError, match="found no relative_humidity; found: 2m_temperature, 10m"):
        write_inputs(
            month.drop_vars("relative_humidity"), checkpoint,
            init_time=np.datetime64("2016-01-02T05", "ns"), folder=tmp_path,
        )  # fmt: skip


def in_celsius(month: xr.Dataset) -> xr.Dataset:
    month["2m_temperature"] -= 273.15
    return month


def with_fill_values(month: xr.Dataset) -> xr.Dataset:
    month["2m_temperature"][:, 1, :2] = -9999.0
    return month


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_celsius, r"2m_temperature is .* K at 2016-01-02T03, latitude 25, longitude 110; "
                     r"expected within 160 to 350 K \(the whole field looks like degrees Celsius"),
        (with_fill_values, "2m_temperature is -9999 K at 2016-01-02T03, latitude 24, longitude "
                           "110; expected within 160 to 350 K"),
    ],
)  # fmt: skip
def test_a_file_with_impossible_values_is_refused_by_name(
    tmp_path: Path, checkpoint, change, message: str
) -> None:
    change(make_month(month_hours("2016-01")[:48])).to_netcdf(tmp_path / "mine.nc")
    fields = read_fields(tmp_path / "mine.nc", LABELS).assign_attrs(input="mine.nc")
    start = np.datetime64("2016-01-02T05", "ns")
    with pytest.raises(DataError, match=f"mine.nc: {message}"):
        write_inputs(fields, checkpoint, init_time=start, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_derived_channel_comes_from_is_checked(tmp_path: Path) -> None:
    month = make_month(hours("2016-01-01", 3), fields={"2m_temperature": ()})
    celsius = month["2m_temperature"] - 273.15
    month = month.assign({
        "2m_temperature": celsius.assign_attrs(units="K"),
        "2m_dewpoint_temperature": (celsius - 2.0).assign_attrs(
            units="K", long_name="2 metre dewpoint temperature",
            standard_name="dew_point_temperature",
        ),
    })  # fmt: skip
    month.to_netcdf(tmp_path / "celsius.nc")
    fields = read_fields(tmp_path / "celsius.nc", ("rh2m",))
    humidity = fields["2m_relative_humidity"]
    assert humidity.min() > -1 and humidity.max() < 120  # looks like a humidity
    needed = SimpleNamespace(window=WindowSpec((-1, 0), (1,)), input_channels=("rh2m",))
    start = np.datetime64("2016-01-01T02", "ns")
    with pytest.raises(DataError, match=r"2m_temperature is .*looks like degrees Celsius"):
        write_inputs(fields, needed, init_time=start, folder=tmp_path)


@dataclass(frozen=True)
class SourceWithFillValues(FakeSource):
    """A source whose fields hold one number that stands for "no value"."""

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        raw = super().fetch(request, raw_folder)
        raw.dataset["2m_temperature"][0, 0, 0] = -999.0
        return raw


def test_a_source_is_checked_before_means_hide_what_it_holds(tmp_path: Path) -> None:
    source = SourceWithFillValues(grid=equiangular(2.0))
    grid = GridSettings(resolution=30.0)
    wanted = hours("2016-01-31T22", 2)
    with pytest.raises(DataError, match="source fake: 2m_temperature is -999 K at 2016-01-31T22"):
        read_source(source, fields=FIELDS, grid=grid, hours=wanted, raw_folder=tmp_path)
