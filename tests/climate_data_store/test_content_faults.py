"""Faults of a result's file itself: it arrives as it is, and it is not right."""

import zipfile

import numpy as np
import pytest
import requests
from ecmwf.datastores.processing import DownloadError

from pipelines.errors import DataError
from pipelines.formats.decode import decode
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.requests_to_store import (
    PRESSURE,
    SINGLE,
    client,
    fetch,
    good_file,
    request,
)
from tests.climate_data_store.server import ClimateDataStore

NAMES = ["2m_temperature", "total_precipitation"]
MIDDLE = np.datetime64("2020-02-29T00", "h")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x"


def test_a_truncated_object_agrees_with_its_size(path):
    fetch(path, Fault("file", "truncated"))
    with pytest.raises(DataError):
        decode(path)


def test_trailing_bytes_agree_with_the_size_or_not(path):
    fetch(path, Fault("file", "trailing"), data_format="netcdf")
    assert decode(path).sizes["time"] == 48  # netCDF does not notice
    assert path.read_bytes()[:-100] == good_file(path, data_format="netcdf")
    with pytest.raises(DownloadError, match="downloaded"):
        fetch(path, Fault("file", "trailing", consistent=False))


def test_a_faulty_object_stays_until_it_was_transferred(path):
    with ClimateDataStore(faults=[Fault("file", "truncated")]) as store:
        remote = client(store).client.submit(SINGLE, request())
        sizes = [remote.get_results().content_length for _ in range(3)]
        assert len(set(sizes)) == 1  # asking for results alone does not use the fault up
        remote.download(str(path))
        remote.download(str(path))
        assert path.stat().st_size > sizes[0] and decode(path).sizes["time"] == 48


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
@pytest.mark.parametrize(
    ("details", "missing"),
    [({}, [MIDDLE]), ({"count": 2}, [MIDDLE, MIDDLE + 1]), ({"hours": [MIDDLE - 5]}, [MIDDLE - 5])],
)
def test_hours_are_missing(path, data_format, details, missing):
    fetch(path, Fault("file", "missing_hours", **details), data_format=data_format)
    found = decode(path)["time"].values
    assert len(found) == 48 - len(missing) and not np.isin(missing, found).any()


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_hours_come_twice(path, data_format):
    fetch(path, Fault("file", "duplicate_hours"), data_format=data_format)
    with pytest.raises(DataError, match="twice"):
        decode(path)


def test_a_variable_or_level_is_missing(path):
    fetch(path, Fault("file", "missing_variable"), variable=NAMES)
    assert list(decode(path)) == NAMES[:1]
    fetch(path, Fault("file", "missing_variable", name=NAMES[0]), variable=NAMES)
    assert list(decode(path)) == NAMES[1:]
    levels = {"variable": "temperature", "pressure_level": ["500", "850"]}
    fetch(path, Fault("file", "missing_level"), dataset=PRESSURE, **levels)
    assert decode(path)["level"].values.tolist() == [500]


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_the_grid_is_shifted(path, data_format):
    fetch(path, Fault("file", "wrong_grid"), data_format=data_format)
    found = decode(path)
    assert np.allclose(found["latitude"], [20.1, 19.85, 19.6])
    assert np.allclose(found["longitude"], [70.1, 70.35, 70.6])


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_a_value_is_absent_or_out_of_range(path, data_format):
    fetch(path, Fault("file", "nan", count=2), data_format=data_format)
    absent = decode(path)["2m_temperature"].load().isnull()
    assert absent.sum() == 2 and bool(absent.sel(time=MIDDLE)[-1, -1])
    fetch(path, Fault("file", "out_of_range"), data_format=data_format)
    wild = decode(path)["2m_temperature"].load() > 350
    assert wild.sum() == 1 and bool(wild.sel(time=MIDDLE)[-1, -1])


def test_units_are_wrong_and_declared_or_not(path):
    fetch(path, Fault("file", "wrong_units"), data_format="netcdf")
    with pytest.raises(DataError, match="t2m in 'degC'"):
        decode(path)
    for changes in ({"data_format": "grib"}, {"data_format": "netcdf"}):
        fetch(path, Fault("file", "wrong_units", declared=False), **changes)
        found = decode(path).load()
        assert found["2m_temperature"].max() < 60  # degC as K
        assert found["mean_sea_level_pressure"].max() < 1100  # hPa as Pa


@pytest.mark.parametrize(
    ("asked", "kind", "start"),
    [
        ("grib", "as_netcdf", b"\x89HDF"), ("grib", "as_zip", b"PK\x03\x04"),
        ("netcdf", "as_grib", b"GRIB"), ("netcdf", "as_zip", b"PK\x03\x04"),
    ],
)  # fmt: skip
def test_another_format_comes_than_was_asked_for(path, asked, kind, start):
    fetch(path, Fault("file", kind), data_format=asked)
    assert path.read_bytes()[:4] == start
    assert decode(path).sizes["time"] == 48


@pytest.mark.parametrize(("data_format", "suffix"), [("grib", "grib"), ("netcdf", "nc")])
def test_a_zip_has_a_member_for_each_step_type(path, data_format, suffix):
    fetch(path, Fault("file", "split_zip"), variable=NAMES, data_format=data_format)
    names = sorted(zipfile.ZipFile(path).namelist())
    assert names == [f"data_stream-oper_stepType-{kind}.{suffix}" for kind in ("accum", "instant")]
    assert list(decode(path)) == NAMES


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_releases_are_mixed_and_differ_by_step_type(path, data_format):
    first = np.datetime64("2020-02-29T00", "h")
    details = {"first_hour": first, "accumulated_final_hours": 7}
    fetch(path, Fault("file", "mixed_expver", **details), variable=NAMES, data_format=data_format)
    assert decode(path)["expver"].values.tolist() == 24 * ["0001"] + 24 * ["0005"]
    accumulated = {"variable": NAMES[1:], "data_format": data_format}
    fetch(path, Fault("file", "mixed_expver", **details), **accumulated)
    assert decode(path)["expver"].values.tolist() == 31 * ["0001"] + 17 * ["0005"]


def test_a_request_of_nothing_but_the_missing_variable_is_an_error_of_the_test(path):
    with pytest.raises(RuntimeError, match="nothing but what missing_variable leaves out"):
        with ClimateDataStore(faults=[Fault("file", "missing_variable")]) as store:
            with pytest.raises(requests.ConnectionError):
                client(store, retry_max=1).retrieve(SINGLE, request(variable=NAMES[:1]))
