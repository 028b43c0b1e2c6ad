"""What the files hold: the archive, in every format, read by the pipelines' own decoder."""

import concurrent.futures
import zipfile

import netCDF4
import numpy as np
import pytest
import requests

from met2net.data.variables import variable
from pipelines.formats.decode import decode
from tests.climate_data_store.fields import ARCHIVED, fields
from tests.climate_data_store.requests_to_store import PRESSURE, SINGLE, client, request
from tests.climate_data_store.server import ClimateDataStore

SURFACE = [v.name for v in ARCHIVED if v.level_kind == "surface"]
LEVELLED = [v.name for v in ARCHIVED if v.level_kind == "pressure"]
HOURS = np.arange("2020-02-28", "2020-03-01", dtype="datetime64[h]")


@pytest.fixture
def store():
    with ClimateDataStore() as store:
        yield store


def retrieve(store, path, *, dataset=SINGLE, **changes):
    client(store).retrieve(dataset, request(**changes), str(path))
    return decode(path).load()


def check_fields(decoded):
    """Compare with the archive; 16 bits resolve a field's range to a part in 65535."""
    for name, found in decoded.data_vars.items():
        levels = decoded["level"].values if "level" in found.dims else [None]
        for level in levels:
            values = found.values if level is None else found.sel(level=level).values
            expected = fields(
                str(name), level, decoded["time"].values, decoded["latitude"].values,
                decoded["longitude"].values, expver=decoded["expver"].values,
            )  # fmt: skip
            spread = np.ptp(np.nan_to_num(expected, nan=np.nanmean(expected)), axis=(1, 2)).max()
            float32_step = 6e-8 * np.nanmax(np.abs(expected))
            np.testing.assert_allclose(values, expected, rtol=0, atol=spread / 2**15 + float32_step)


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
@pytest.mark.parametrize("names", [SURFACE[:2], ["total_precipitation"], SURFACE])
def test_any_surface_request_gives_back_the_archive(store, tmp_path, data_format, names):
    decoded = retrieve(store, tmp_path / "x", data_format=data_format, variable=names)
    assert sorted(map(str, decoded)) == sorted(names)
    assert np.array_equal(decoded["time"].values, HOURS)
    assert decoded["latitude"].values.tolist() == [20.0, 19.75, 19.5]
    assert decoded["longitude"].values.tolist() == [70.0, 70.25, 70.5]
    assert set(decoded["expver"].values) == {"0001"}
    check_fields(decoded)


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_levels_come_as_asked_for(store, tmp_path, data_format):
    decoded = retrieve(
        store, tmp_path / "x", dataset=PRESSURE, data_format=data_format, variable=LEVELLED,
        pressure_level=["1000", "500", "50"], day="28", time="06:00",
    )  # fmt: skip
    assert decoded["level"].values.tolist() == [50, 500, 1000]
    assert sorted(map(str, decoded)) == sorted(LEVELLED)
    check_fields(decoded)


@pytest.mark.parametrize(
    ("data_format", "names", "kind"),
    [
        ("grib", ["2m_temperature", "total_precipitation"], b"GRIB"),
        ("netcdf", ["2m_temperature", "mean_sea_level_pressure"], b"\x89HDF"),
        ("netcdf", ["total_precipitation", "toa_incident_solar_radiation"], b"\x89HDF"),
        ("netcdf", ["2m_temperature", "total_precipitation"], b"PK\x03\x04"),
    ],
)
def test_a_zip_comes_only_for_netcdf_of_several_step_types(
    store, tmp_path, data_format, names, kind
):
    path = tmp_path / "x"
    retrieve(store, path, data_format=data_format, variable=names, day="28")
    assert path.read_bytes()[:4] == kind
    if kind == b"PK\x03\x04":
        assert sorted(zipfile.ZipFile(path).namelist()) == [
            "data_stream-oper_stepType-accum.nc",
            "data_stream-oper_stepType-instant.nc",
        ]


def test_the_globe_and_boxes_across_greenwich_have_the_asked_points(tmp_path):
    with ClimateDataStore(resolution=15.0) as store:
        whole = request(day="28", time="00:00")
        del whole["area"]
        client(store).retrieve(SINGLE, whole, str(tmp_path / "globe"))
        globe = decode(tmp_path / "globe").load()
        assert (globe.sizes["latitude"], globe.sizes["longitude"]) == (13, 24)
        check_fields(globe)
    with ClimateDataStore() as store:
        west = retrieve(store, tmp_path / "west", area=[20.1, -10.1, 19.5, -9.5], time="00:00")
        assert np.allclose(west["latitude"], [20.1, 19.85, 19.6])
        assert np.allclose(west["longitude"], [349.9, 350.15, 350.4])
        check_fields(west)


def test_days_that_a_month_lacks_are_ignored(store, tmp_path):
    days = [f"{day:02d}" for day in range(1, 32)]
    decoded = retrieve(store, tmp_path / "x", day=days, time="00:00")
    assert decoded.sizes["time"] == 29


@pytest.mark.parametrize("form", ["per_time", "scalar", "dimension"])
def test_releases_are_told_hour_by_hour_in_every_form(tmp_path, form):
    with ClimateDataStore(final_until=HOURS[29], expver_form=form) as store:
        for data_format in ("grib", "netcdf"):
            decoded = retrieve(store, tmp_path / data_format, data_format=data_format)
            assert decoded["expver"].values.tolist() == 30 * ["0001"] + 18 * ["0005"]
            check_fields(decoded)
        uniform = retrieve(store, tmp_path / "x", data_format="netcdf", day="29", time="20:00")
        assert uniform["expver"].values.tolist() == ["0005"]


def test_an_equal_request_is_given_the_earlier_result_until_it_is_asked_past_the_cache(tmp_path):
    with ClimateDataStore(final_until=HOURS[0] - 1) as store:
        early = retrieve(store, tmp_path / "early", variable=["2m_temperature"])
        store.set_final_until(None)
        again = retrieve(store, tmp_path / "again", variable=["2m_temperature"], day=["29", "28"])
        fresh = retrieve(store, tmp_path / "fresh", variable=["2m_temperature"], nocache="1")
        assert [job.is_cached for job in store.jobs.values()] == [False, True, False]
    assert set(early["expver"].values) == set(again["expver"].values) == {"0005"}
    assert set(fresh["expver"].values) == {"0001"}
    assert (tmp_path / "early").read_bytes() == (tmp_path / "again").read_bytes()
    check_fields(fresh)


def test_hours_after_the_newest_are_dropped_without_a_word(tmp_path):
    with ClimateDataStore(newest_hour=HOURS[40]) as store:
        decoded = retrieve(store, tmp_path / "x")
        assert np.array_equal(decoded["time"].values, HOURS[:41])
        store.set_newest_hour(HOURS[-1])  # a cut reply is not kept for equal requests
        assert np.array_equal(retrieve(store, tmp_path / "y")["time"].values, HOURS)
        with pytest.raises(requests.HTTPError, match="has failed\nMARS has returned no data"):
            retrieve(store, tmp_path / "z", year="2030")


def test_eight_threads_share_the_store(store, tmp_path):
    def fetch(day):
        data_format = "netcdf" if day % 2 else "grib"
        path = tmp_path / str(day)
        client(store).retrieve(SINGLE, request(day=f"{day:02d}", data_format=data_format), path)
        return path

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for path in pool.map(fetch, range(1, 13)):
            check_fields(decode(path).load())  # here: netCDF4 must not be used by two threads


def test_the_same_month_is_the_same_bytes_in_another_store(tmp_path):
    for data_format in ("grib", "netcdf"):
        for copy in range(2):
            with ClimateDataStore() as store:
                path = tmp_path / f"{data_format}{copy}"
                retrieve(store, path, data_format=data_format, variable=SURFACE, day="28")
        first, second = (tmp_path / f"{data_format}{copy}" for copy in range(2))
        assert first.read_bytes() == second.read_bytes()


def test_netcdf_has_the_services_layout(store, tmp_path):
    client(store).retrieve(
        PRESSURE,
        request(variable="temperature", pressure_level=["500", "850"], data_format="netcdf"),
        str(tmp_path / "x"),
    )
    with netCDF4.Dataset(tmp_path / "x") as file:
        assert file["t"].dimensions == ("valid_time", "pressure_level", "latitude", "longitude")
        assert file["t"].dtype == np.float32 and np.isnan(file["t"]._FillValue)
        assert file["t"].coordinates == "number valid_time isobaricInhPa latitude longitude expver"
        assert (file["t"].GRIB_shortName, file["t"].units) == ("t", variable("temperature").units)
        assert file["pressure_level"][:].tolist() == [850.0, 500.0]
        assert file["valid_time"].dtype == np.int64
        assert file["valid_time"].units == "seconds since 1970-01-01"
        assert file["expver"].dtype is str and file["expver"].dimensions == ("valid_time",)
        assert file["number"].dimensions == ()
