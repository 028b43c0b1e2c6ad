import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from met2net.data.unit_spellings import same_units
from pipelines.errors import DataError
from pipelines.formats.canonical import canonical
from pipelines.formats.decode import decode
from pipelines.formats.file_format import file_format
from tests.pipelines.formats.grib_files import message, write_day

REAL = Path(__file__).parents[3].parent / "shared" / "data"
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real ERA5 files (../shared/data) are not here"
)
HOUR = np.timedelta64(60, "m")
FIELD = 280.0 + np.arange(6.0).reshape(3, 2)


def dataset(
    *, latitude=(20.0, 19.0), longitude=(70.0, 71.0, 72.0), units="K", hours=2, **coords
) -> xr.Dataset:
    shape = (hours, len(latitude), len(longitude))
    values = 280 + np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    return xr.Dataset(
        {"t2m": (("valid_time", "latitude", "longitude"), values, {"units": units})},
        coords={
            "valid_time": np.datetime64("2020-01-01T00", "ns") + HOUR * np.arange(hours),
            "latitude": list(latitude), "longitude": list(longitude), **coords,
        },
    )  # fmt: skip


def test_a_grib_field_is_read_by_content_under_any_name(tmp_path):
    path = tmp_path / "weather.txt"
    path.write_bytes(message(FIELD, time="2020-01-01T06"))
    decoded = decode(path)
    assert list(decoded.data_vars) == ["2m_temperature"]
    field = decoded["2m_temperature"]
    assert field.dims == ("time", "latitude", "longitude")
    assert field.dtype == np.float32
    assert field.attrs["units"] == "K"
    np.testing.assert_allclose(field.values[0], FIELD, atol=1e-3)  # 16-bit packing
    assert decoded["time"].values[0] == np.datetime64("2020-01-01T06")
    assert decoded["expver"].values.tolist() == ["0001"]
    assert decoded["latitude"].values.tolist() == [20.0, 19.0, 18.0]
    assert [p.name for p in tmp_path.iterdir()] == ["weather.txt"]  # no index left behind


def test_levels_are_sorted_and_absent_points_stay_absent(tmp_path):
    path = tmp_path / "a"
    sea = FIELD.copy()
    sea[0, 0] = np.nan
    path.write_bytes(
        message(np.full((3, 2), 60.0), short_name="r", level=1000)
        + message(np.full((3, 2), 40.0), short_name="r", level=850)
        + message(sea, short_name="sst")
    )
    decoded = decode(path).load()
    assert decoded["level"].values.tolist() == [850, 1000]
    assert decoded["relative_humidity"].values[0, :, 0, 0].tolist() == [40.0, 60.0]
    assert np.isnan(decoded["sea_surface_temperature"].values[0]).tolist() == [
        [True, False], [False, False], [False, False],
    ]  # fmt: skip


def test_an_hour_is_preliminary_if_one_of_its_fields_is(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(
        message(FIELD) + message(FIELD, short_name="10u", expver="0005")
        + message(FIELD, time="2020-01-01T01")
        + message(FIELD, short_name="10u", time="2020-01-01T01")
    )  # fmt: skip
    assert decode(path)["expver"].values.tolist() == ["0005", "0001"]


def test_rising_latitudes_are_turned_with_their_values(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(message(FIELD, latitude=np.array([18.0, 19.0, 20.0])))
    decoded = decode(path)
    assert decoded["latitude"].values.tolist() == [20.0, 19.0, 18.0]
    np.testing.assert_allclose(decoded["2m_temperature"].values[0], FIELD[::-1], atol=1e-3)


def test_an_unknown_grib_variable_is_left_out(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(message(FIELD, short_name="skt"))
    assert not decode(path).data_vars


@pytest.mark.parametrize("cut", [3, 50, 200])
def test_a_cut_grib_file_is_refused(tmp_path, cut):
    path = write_day(tmp_path / "a.grib", hours=3)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"a\.grib: found .* expected whole messages"):
        decode(path)


def test_bytes_between_or_after_grib_messages_are_refused(tmp_path):
    one = message(FIELD)
    for content in (one + b"rubbish", one + b"XXXX" + message(FIELD, time="2020-01-01T01")):
        path = tmp_path / "a.grib"
        path.write_bytes(content)
        with pytest.raises(DataError, match="found .* expected"):
            decode(path)


def test_a_field_twice_or_missing_or_on_two_grids_is_refused(tmp_path):
    path = tmp_path / "a.grib"
    wind = message(FIELD, short_name="10u")
    path.write_bytes(message(FIELD) + message(FIELD))
    with pytest.raises(DataError, match="2t twice at 2020-01-01T00"):
        decode(path)
    other = np.array([30.0, 29.0, 28.0])
    path.write_bytes(wind + message(FIELD, latitude=other))
    with pytest.raises(DataError, match="on 2 grids"):
        decode(path)
    levels = [message(FIELD, short_name="r", level=level) for level in (850, 1000)]
    path.write_bytes(
        b"".join(levels) + message(FIELD, short_name="r", level=850, time="2020-01-01T01")
    )
    with pytest.raises(DataError, match="no r at 2020-01-01T01:00, 1000 hPa"):
        decode(path)


@pytest.mark.parametrize("content", [b"", b"Licence: CC-BY\n"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.grib"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.grib: found .* expected GRIB, netCDF or zip"):
        decode(path)


@pytest.mark.parametrize(
    "form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF3_64BIT_DATA"]
)
def test_every_netcdf_form_is_read_whole_and_refused_when_cut(tmp_path, form):
    path = tmp_path / "a.nc"
    source = dataset()
    for unlimited in ((), ("valid_time",)):
        source.to_netcdf(path, format=form, engine="netcdf4", unlimited_dims=unlimited)
        assert file_format(path) == "netcdf"
        decoded = decode(path).load()
        np.testing.assert_array_equal(decoded["2m_temperature"].values, source["t2m"].values)
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(DataError, match=r"a\.nc: found .* expected"):
            decode(path)
        path.unlink()


def test_a_cut_classic_header_is_refused(tmp_path):
    path = tmp_path / "a.nc"
    dataset().to_netcdf(path, format="NETCDF3_CLASSIC", engine="netcdf4")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="broken netCDF header"):
        decode(path)


@pytest.mark.parametrize(
    ("expver", "expected"),
    [
        ({}, ["0001", "0001"]),
        ({"expver": "0005"}, ["0005", "0005"]),
        ({"expver": 1}, ["0001", "0001"]),
        ({"expver": ("valid_time", ["0001", "0005"])}, ["0001", "0005"]),
        ({"expver": ("valid_time", [1, 5])}, ["0001", "0005"]),
    ],
)
def test_expver_is_read_in_each_of_its_forms(expver, expected):
    assert canonical(dataset(**expver), origin="a")["expver"].values.tolist() == expected


def test_the_old_dimension_expver_is_merged():
    whole = dataset()
    final = whole.where(whole["valid_time"] == whole["valid_time"][0])
    preliminary = whole.where(whole["valid_time"] == whole["valid_time"][1])
    old = xr.concat([final, preliminary], dim="expver", join="exact").assign_coords(expver=[1, 5])
    old["t2m"].attrs = whole["t2m"].attrs
    merged = canonical(old, origin="a")
    assert merged["expver"].values.tolist() == ["0001", "0005"]
    np.testing.assert_array_equal(merged["2m_temperature"].values, whole["t2m"].values)
    both = xr.concat([whole, preliminary], dim="expver", join="exact").assign_coords(expver=[1, 5])
    with pytest.raises(DataError, match="expected one an hour"):
        canonical(both, origin="a")


def test_longitudes_west_of_greenwich_come_within_0_to_360():
    east = canonical(dataset(longitude=(-30.0, -20.0, -10.0)), origin="a")
    assert east["longitude"].values.tolist() == [330.0, 340.0, 350.0]
    globe = dataset(longitude=(-180.0, -90.0, 0.0, 90.0))
    rolled = canonical(globe, origin="a")
    assert rolled["longitude"].values.tolist() == [0.0, 90.0, 180.0, 270.0]
    np.testing.assert_array_equal(
        rolled["2m_temperature"].values, np.roll(globe["t2m"].values, 2, axis=-1)
    )


@given(start=st.integers(-180, 180))
def test_rolling_a_globe_keeps_every_value_at_its_longitude(start):
    longitude = (start + np.arange(0, 360, 40)).astype(float)
    given_ = dataset(longitude=tuple(longitude))
    rolled = canonical(given_, origin="a")
    for i, degrees in enumerate(longitude):
        np.testing.assert_array_equal(
            rolled["2m_temperature"].sel(longitude=degrees % 360).values,
            given_["t2m"].values[..., i],
        )


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (dataset(longitude=(0.0, 120.0, 240.0, 360.0)), "longitude is not strictly increasing"),
        (dataset(units="C"), "a: found t2m in 'C'; expected 2m_temperature in 'K'"),
        (dataset().isel(valid_time=[0, 0]), "time .* twice"),
        (dataset().assign_coords(valid_time=dataset()["valid_time"] + HOUR // 2), "full hour"),
        (dataset().expand_dims(number=[0, 1]), "dimensions"),
        (dataset().isel(latitude=0, drop=True), "dimensions"),
        (dataset().rename(valid_time="day"), "expected a time"),
        (dataset(expver=("longitude", ["1", "1", "1"])), "3 expver for 2 hours"),
        (dataset().assign(**{"2t": dataset()["t2m"]}), "each variable once"),
    ],
)  # fmt: skip
def test_fields_that_are_not_era5_are_refused(broken, text):
    with pytest.raises(DataError, match=text):
        canonical(broken, origin="a")


def test_units_are_compared_by_meaning():
    for spelling in ("(0 - 1)", "1", "dimensionless"):
        assert same_units(spelling, "1")
    assert same_units("m s**-1", "m s-1")
    assert same_units("kg kg**-1", "kg kg-1")
    assert same_units("m**2 s**-2", "m2 s-2")
    assert not same_units("hPa", "Pa")
    assert not same_units("m", "m s-1")


def test_a_single_pressure_level_becomes_an_axis_and_its_units_are_checked():
    one = dataset(units="%").rename(t2m="r").assign_coords(pressure_level=850.0)
    decoded = canonical(one, origin="a")
    assert decoded["relative_humidity"].dims == ("time", "level", "latitude", "longitude")
    assert decoded["level"].values.tolist() == [850]
    one["pressure_level"].attrs["units"] = "Pa"
    with pytest.raises(DataError, match="levels in 'Pa'"):
        canonical(one, origin="a")


def test_a_zip_is_merged_and_its_names_cannot_escape(tmp_path):
    path = tmp_path / "zips" / "a.nc"
    path.parent.mkdir()
    inner = tmp_path / "i.nc"
    dataset(units="m s-1", expver="0005").rename(t2m="u10").to_netcdf(inner, engine="netcdf4")
    first = tmp_path / "f.nc"
    dataset().to_netcdf(first, engine="netcdf4")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(first, "data_stream-oper_stepType-instant.nc")
        archive.write(inner, "../../escaped.nc")
        archive.writestr("LICENSE", "CC-BY")
    decoded = decode(path)
    assert set(decoded.data_vars) == {"2m_temperature", "10m_u_component_of_wind"}
    assert decoded["expver"].values.tolist() == ["0005", "0005"]
    assert [p.name for p in path.parent.iterdir()] == ["a.nc"]
    assert not list(tmp_path.parent.rglob("escaped.nc"))
    with pytest.raises(DataError, match="bytes unpacked; expected at most 10"):
        decode(path, zip_limit=10)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(DataError, match="broken zip"):
        decode(path)
    flags = whole.index(b"PK\x01\x02") + 8  # of the first member, in the list of members
    path.write_bytes(whole[:flags] + b"\x01" + whole[flags + 1 :])
    with pytest.raises(DataError, match="broken zip .*password required"):
        decode(path)


def test_zip_members_of_other_hours_and_broken_members_are_refused(tmp_path):
    path, first, second = tmp_path / "a.zip", tmp_path / "1", tmp_path / "2"
    dataset().to_netcdf(first, engine="netcdf4")
    dataset(hours=3, units="m s-1").rename(t2m="u10").to_netcdf(second, engine="netcdf4")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(first, "1")
        archive.write(second, "2")
    with pytest.raises(DataError, match="members do not fit together"):
        decode(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cut.grib", message(FIELD)[:-5])
    with pytest.raises(DataError, match=r"a\.zip, member 'cut\.grib': found"):
        decode(path)


@needs_real_data
def test_the_same_month_as_grib_and_netcdf_gives_the_same_fields():
    folder = REAL / "era5-mumbai"
    grib, netcdf = (decode(folder / f"era5_2025_01.{end}").load() for end in ("grib", "nc"))
    assert grib.sizes == {"time": 744, "latitude": 4, "longitude": 5}
    xr.testing.assert_identical(grib, netcdf)  # CDS made the netCDF from the same messages
    land = np.isnan(grib["sea_surface_temperature"].values)
    assert land.sum() == 7 * 744


@needs_real_data
def test_the_pearl_river_file_is_read():
    decoded = decode(REAL / "era5-pearl-river" / "ERA5_2026_04.nc")
    assert decoded.sizes == {"time": 192, "latitude": 21, "longitude": 17}
    assert set(decoded.data_vars) == {
        "2m_temperature", "mean_sea_level_pressure",
        "10m_u_component_of_wind", "10m_v_component_of_wind",
    }  # fmt: skip
    assert all(bool(field.notnull().all()) for field in decoded.data_vars.values())


def test_netcdf_is_decoded_a_level_at_a_time(tmp_path):
    values = np.zeros((30, 2, 3, 4), np.float32)
    xr.Dataset(
        {"t": (("valid_time", "pressure_level", "latitude", "longitude"), values + 280.0,
               {"units": "K"})},
        coords={
            "valid_time": np.datetime64("2020-01-01", "ns") + HOUR * np.arange(30),
            "pressure_level": ("pressure_level", [850, 500], {"units": "hPa"}),
            "latitude": [2.0, 1.0, 0.0], "longitude": [0.0, 1.0, 2.0, 3.0],
        },
    ).to_netcdf(tmp_path / "levels.nc", engine="h5netcdf")  # fmt: skip
    field = decode(tmp_path / "levels.nc")["temperature"]
    assert dict(zip(field.dims, field.chunks, strict=True)) == {
        "time": (24, 6), "level": (1, 1), "latitude": (3,), "longitude": (4,),
    }  # fmt: skip
