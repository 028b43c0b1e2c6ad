"""A name, its attributes, units and cell methods must agree before a field is a variable."""

import numpy as np
import pytest
import xarray as xr

from met2net.data.variables import channel
from pipelines.formats.canonical import canonical
from pipelines.formats.left_out import left_out

HOURS = np.datetime64("2020-01-01T00", "ns") + np.arange(2) * np.timedelta64(1, "h")
OF_CFGRIB = {
    "units": "K", "GRIB_shortName": "2t", "GRIB_cfVarName": "t2m", "GRIB_name":
    "2 metre temperature", "long_name": "2 metre temperature", "standard_name": "unknown",
    "GRIB_stepType": "instant", "GRIB_dataType": "an",
}  # fmt: skip


def dataset(name: str = "t2m", value: float = 280.0, **attrs: object) -> xr.Dataset:
    return xr.Dataset(
        {name: (("valid_time", "latitude", "longitude"), np.full((2, 3, 2), value), attrs)},
        coords={"valid_time": HOURS, "latitude": [20.0, 19.0, 18.0], "longitude": [70.0, 71.0]},
    )


def decoded(made: xr.Dataset) -> tuple[list[str], tuple[str, ...]]:
    found = canonical(made, origin="x.nc")
    return list(map(str, found.data_vars)), left_out(found)


@pytest.mark.parametrize("name", ["t2m", "2t", "2m_temperature"])
def test_every_name_of_a_variable_is_one(name):
    assert decoded(dataset(name, **OF_CFGRIB)) == (["2m_temperature"], ())
    assert decoded(dataset(name, units="K")) == (["2m_temperature"], ())


def test_the_name_that_cfgrib_gives_is_one():
    attrs = {"units": "m s-1", "GRIB_shortName": "10si", "GRIB_cfVarName": "si10"}
    assert decoded(dataset("si10", 3.0, **attrs)) == (["10m_wind_speed"], ())


@pytest.mark.parametrize(
    "name", ["t2m_anomaly", "t2m_clim", "t2m_max", "wind_chill", "climatology", "air"]
)
def test_arithmetic_that_keeps_attributes_makes_no_variable(name):
    made = dataset(**OF_CFGRIB)
    with xr.set_options(keep_attrs=True):
        made[name] = made["t2m"] - 5.0
    assert made[name].attrs["GRIB_shortName"] == "2t"
    names, reasons = decoded(made)  # the temperature beside it is still one
    assert names == ["2m_temperature"]
    assert len(reasons) == 1 and reasons[0].startswith(f"{name} with GRIB_shortName 2t; expected")
    assert decoded(made[[name]])[0] == []


def test_a_dew_point_with_the_attributes_of_its_temperature_is_neither():
    assert decoded(dataset("d2m", **OF_CFGRIB)) == (
        [], ("d2m with GRIB_shortName 2t; expected 2d, as its name says",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"GRIB_shortName": "mx2t"}, "GRIB_shortName mx2t; expected 2t, as its name says"),
        ({"GRIB_cfVarName": "d2m"}, "GRIB_cfVarName d2m; expected t2m, as its name says"),
        ({"standard_name": "dew_point_temperature"}, "standard_name 'dew_point_temperature'"),
        ({"standard_name": "air_temperature standard_error"}, "standard_name 'air_temperature st"),
        ({"standard_name": "air_temperature_anomaly"}, "standard_name 'air_temperature_anomaly'"),
        ({"long_name": "2 metre dewpoint temperature"}, "long_name '2 metre dewpoint temp"),
        ({"long_name": "2m temperature anomaly"}, "long_name '2m temperature anomaly'"),
        ({"long_name": "Daily maximum temperature at 2 m"}, "long_name 'daily maximum"),
        ({"long_name": "monthly mean of 2 m temperature"}, "long_name 'monthly mean"),
        ({"cell_methods": "time: maximum"}, "cell_methods 'time: maximum'; expected point"),
        ({"cell_methods": "time: mean (interval: 1 hour)"}, "cell_methods 'time: mean'"),
        ({"cell_methods": "area: mean time: minimum within days"}, "cell_methods"),
        ({"cell_methods": "number: standard_deviation"}, "cell_methods"),
        ({"cell_methods": "realization: mean"}, "cell_methods"),
        ({"long_name": "100 metre temperature"}, "long_name '100 metre temperature'; expected 2 m"),
        ({"GRIB_stepType": "max"}, "stepType max; expected instant"),
        ({"GRIB_stepType": "avgua"}, "stepType avgua; expected instant"),
        ({"GRIB_dataType": "es"}, "dataType es; expected an analysis or a forecast"),
    ],
)
def test_an_attribute_that_says_otherwise_leaves_a_field_out(changed, reason):
    names, reasons = decoded(dataset(**{**OF_CFGRIB, **changed}))
    assert names == []
    assert len(reasons) == 1 and reasons[0].startswith(f"t2m with {reason}")


@pytest.mark.parametrize(
    "changed",
    [{"cell_methods": "time: point"}, {"cell_methods": "area: mean"}, {"cell_methods": ""},
     {"long_name": "Temperature"}, {"standard_name": "air_temperature"},
     {"long_name": "4xDaily Air temperature at sigma level 995"}],
)  # fmt: skip
def test_attributes_that_agree_or_say_nothing_are_taken(changed):
    assert decoded(dataset(**{**OF_CFGRIB, **changed})) == (["2m_temperature"], ())


def test_mean_sea_level_is_no_mean():
    attrs = {"units": "Pa", "GRIB_shortName": "msl", "long_name": "Mean sea level pressure",
             "standard_name": "air_pressure_at_mean_sea_level"}  # fmt: skip
    assert decoded(dataset("msl", 101_000.0, **attrs)) == (["mean_sea_level_pressure"], ())


def test_a_sum_of_the_hour_may_say_so_and_a_mean_may_not():
    assert decoded(dataset("tp", 0.0, units="m", cell_methods="time: sum"))[0]
    names, reasons = decoded(dataset("tp", 0.0, units="m", cell_methods="time: mean"))
    assert names == []
    assert reasons == ("tp with cell_methods 'time: mean'; expected point or sum in time",)
    assert decoded(dataset("tp", 0.0, units="m", cell_methods="time: sum within days"))[0] == []


@pytest.mark.parametrize(("number", "names"), [(0, ["2m_temperature"]), (4, [])])
def test_a_member_of_an_ensemble_is_left_out_and_the_control_is_not(number, names):
    made = dataset(**OF_CFGRIB).assign_coords(number=number)
    assert decoded(made)[0] == names
    assert decoded(made.expand_dims("number"))[0] == names


@pytest.mark.parametrize(
    ("name", "attrs", "at", "reason"),
    [
        ("t2m", {}, 2.0, None),
        ("u10", {}, 10.0, None),
        ("u10", {}, 100.0, "u10 with height of 100 m; expected 10 m, as its name says"),
        ("t2m", {}, 50.0, "t2m with height of 50 m; expected 2 m, as its name says"),
        ("t2m", {"units": "km"}, 0.002, None),  # not read: no number to compare
        ("msl", {}, 300.0, None),  # its name has no height
    ],
)
def test_a_height_beside_a_field_is_that_of_its_name(name, attrs, at, reason):
    units = {"t2m": "K", "u10": "m s-1", "msl": "Pa"}[name]
    made = dataset(name, units=units).assign_coords(
        height=((), at, {"standard_name": "height", "units": "m", **attrs})
    )
    assert decoded(made) == ([variable_of(name)], ())  # whose height it is, nothing says
    made[name].encoding["coordinates"] = "height"
    names, reasons = decoded(made)
    assert reasons == (() if reason is None else (reason,)) and (names == []) == bool(reason)


def variable_of(name: str) -> str:
    return channel(name).variable.name


def test_a_sum_of_data_hours_apart_is_no_sum_over_the_hour_before():
    within, apart = ("1 hour", "30 minutes", "60 min", "0.5 h"), ("3 hours", "1 day", "1 month")
    for interval in (*within, *apart):
        made = dataset("tp", 0.001, units="m", cell_methods=f"time: sum (interval: {interval})")
        names, reasons = decoded(made)
        assert (names == ["total_precipitation"]) == (interval in within)
        assert interval in within or "expected an hour at most" in reasons[0]
