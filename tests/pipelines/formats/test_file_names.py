from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from met2net.data import variables
from met2net.data.variable_definitions import define_all
from pipelines.errors import DataError
from pipelines.formats.decode import decode
from pipelines.formats.file_names import check_file_names, with_house_names
from pipelines.formats.left_out import left_out
from pipelines.formats.levels import held_levels

TIMES = np.arange("2020-01-01", "2020-01-02", 6, dtype="datetime64[h]").astype("datetime64[ns]")
VORTICITY = {
    "label": "vo", "units": "s-1", "valid_range": [-0.01, 0.01], "level_kind": "pressure",
}  # fmt: skip


@pytest.fixture(autouse=True)
def only_vorticity_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_ADDED", {})
    define_all({"vorticity": VORTICITY})


def field(value: float, units: str, **attrs: str) -> xr.DataArray:
    values = value + np.arange(4 * 3 * 3, dtype=np.float32).reshape(4, 3, 3) * value / 1000
    return xr.DataArray(
        values,
        dims=("time", "lat", "lon"),
        coords={
            "time": TIMES,
            "lat": ("lat", [20.0, 10.0, 0.0], {"units": "degrees_north"}),
            "lon": ("lon", [200.0, 210.0, 220.0], {"units": "degrees_east"}),
        },
        attrs={"units": units, **attrs},
    )


def write(folder: Path, **fields: xr.DataArray) -> Path:
    path = folder / "own.nc"
    xr.Dataset(fields).to_netcdf(path)
    return path


def test_a_field_is_what_settings_say_it_is_called(tmp_path: Path):
    path = write(tmp_path, air=field(280, "degK", long_name="4xDaily air temperature"))
    assert not decode(path).data_vars
    found = decode(path, names={"air": "2m_temperature"})
    assert list(found.data_vars) == ["2m_temperature"]
    with netCDF4.Dataset(path) as own:
        np.testing.assert_array_equal(found["2m_temperature"].values, own["air"][:])
    assert found["2m_temperature"].attrs == variables.variable("2m_temperature").attrs


def test_a_label_gives_the_level_that_the_file_does_not_say(tmp_path: Path):
    path = write(tmp_path, vo=field(1e-5, "s**-1"), msl=field(101_000, "Pa"))
    found = decode(path, names={"vo": "vo850"})
    assert found["vorticity"].dims == ("time", "level", "latitude", "longitude")
    assert found["level"].values.tolist() == [850]
    assert found["mean_sea_level_pressure"].dims == ("time", "latitude", "longitude")
    np.testing.assert_array_equal(
        found["vorticity"].values[:, 0], field(1e-5, "s-1").values.astype(np.float32)
    )


def test_levels_under_names_of_their_own_become_one_variable(tmp_path: Path):
    path = write(
        tmp_path, z5=field(54_000, "m2 s-2"), t8=field(280, "K"), t5=field(250, "K")
    )  # fmt: skip
    found = decode(path, names={"z5": "z500", "t8": "t850", "t5": "t500"})
    assert found["level"].values.tolist() == [500, 850]
    assert float(found["temperature"].sel(level=500)[0, 0, 0]) == 250
    assert float(found["temperature"].sel(level=850)[0, 0, 0]) == 280
    assert float(found["geopotential"].sel(level=500)[0, 0, 0]) == 54_000
    assert bool(found["geopotential"].sel(level=850).isnull().all())  # never a value made up
    assert held_levels(found["geopotential"]) == (500,)
    assert held_levels(found["temperature"]) == (500, 850)


def test_a_definition_is_known_by_its_own_names_and_refused_under_anothers(tmp_path: Path):
    own = field(1e-5, "s-1").expand_dims(plev=[850.0]).assign_coords(
        plev=("plev", [850.0], {"units": "hPa"})
    )  # fmt: skip
    path = write(tmp_path, vo=own.assign_attrs(GRIB_shortName="vo", long_name="Vorticity"))
    assert list(decode(path).data_vars) == ["vorticity"]
    path = write(tmp_path, vo=own.assign_attrs(long_name="Temperature"))
    assert left_out(decode(path)) == (
        "vo with long_name 'Temperature'; expected vorticity, as its name says",
    )
    path = write(tmp_path, vo=own.assign_attrs(cell_methods="time: maximum"))
    assert "expected point in time" in left_out(decode(path))[0]
    path = write(tmp_path, t=field(280, "K", long_name="vorticity").expand_dims(level=[850]))
    assert "expected temperature, as its name says" in left_out(decode(path))[0]


def test_a_level_that_the_file_says_must_be_that_of_the_name(tmp_path: Path):
    own = field(280, "K").expand_dims(plev=[850.0]).assign_coords(
        plev=("plev", [850.0], {"units": "hPa"})
    )  # fmt: skip
    right = write(tmp_path, own=own)
    assert decode(right, names={"own": "t850"})["level"].values.tolist() == [850]
    with pytest.raises(DataError, match=r"own.nc: found own on levels \[850.0\]; expected 500 hPa"):
        decode(right, names={"own": "t500"})
    scalar = xr.Dataset({"own": field(280, "K").assign_coords(plev=850.0)})
    assert with_house_names(scalar, {"own": "t850"}, origin="x")["temperature"].sizes["plev"] == 1


def test_a_name_is_no_licence_for_other_units(tmp_path: Path):
    path = write(tmp_path, air=field(7, "degC"))
    with pytest.raises(DataError, match="found 2m_temperature in 'degC'; expected 2m_temperature"):
        decode(path, names={"air": "2m_temperature"})


def test_a_name_goes_before_what_the_file_says_the_field_is(tmp_path: Path):
    """An attribute that arithmetic has kept, as of a wind chill computed from `2t`."""
    path = write(tmp_path, dew=field(270, "K", GRIB_shortName="2t", standard_name="x"))
    found = decode(path, names={"dew": "2m_dewpoint_temperature"})
    assert list(found.data_vars) == ["2m_dewpoint_temperature"]


def test_two_fields_of_one_name_are_refused(tmp_path: Path):
    dataset = xr.Dataset({"air": field(280, "K"), "2m_temperature": field(280, "K")})
    with pytest.raises(DataError, match="x: found 2m_temperature beside what names say"):
        with_house_names(dataset, {"air": "2m_temperature"}, origin="x")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"air": "2m_temprature"}, "names.air is '2m_temprature'; expected the long name of"),
        ({"a": "t850", "b": "t850"}, "names has a and b for t850; expected one name"),
        ({"a": "t2m", "b": "2m_temperature"}, "names has a and b for 2m_temperature"),
    ],
)
def test_names_that_say_nothing_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        check_file_names(names)
