"""Possible in range and impossible in kind: each kind is found, and weather is not."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from met2net.data.variables import variable
from pipelines.fields.plausible_in_kind import find_implausible
from pipelines.fields.source_watch import SourceWatch
from pipelines.fields.verify_month import read_content
from pipelines.formats.decode import decode

REAL = Path(__file__).parents[3].parent / "shared" / "data"
HOURS = np.arange("2020-01-01T00", "2020-02-01T00", dtype="datetime64[h]")


def month(name: str, values: np.ndarray, *, level: int | None = None, south: float = 20.0):
    """A month of one variable, (time, latitude, longitude)."""
    dims, coords = ("time", "latitude", "longitude"), {}
    if level is not None:
        values, dims = values[:, None], ("time", "level", "latitude", "longitude")
        coords = {"level": [level]}
    coords |= {
        "time": HOURS[: len(values)].astype("datetime64[ns]"),
        "latitude": south + np.arange(values.shape[-2])[::-1],
        "longitude": 70.0 + np.arange(values.shape[-1]),
    }
    field = (dims, values.astype(np.float32), variable(name).attrs)
    return xr.Dataset({name: field}, coords=coords).chunk(time=24)


def found(
    name: str,
    values: np.ndarray,
    *,
    level: int | None = None,
    south: float = 20.0,
    step: int = 1,
):
    """Give kind -> text of what is found in every so many hours."""
    dataset = month(name, values, level=level, south=south).isel(time=slice(None, None, step))
    fields = {name: () if level is None else (level,)}
    contents = read_content(dataset, fields)
    return {f.kind: f.text for f in find_implausible(dataset, fields, contents, step_hours=step)}


def noise(mean: float, spread: float, *, hours: int = 744, shape=(4, 5)) -> np.ndarray:
    return mean + spread * np.random.default_rng(0).normal(size=(hours, *shape))


def showers(*, hours: int = 744, shape=(4, 5)) -> np.ndarray:
    """Rain [m]: showers of several hours that come and go, at most some mm an hour."""
    rng = np.random.default_rng(1)
    smooth = np.cumsum(rng.normal(size=(hours, *shape)), axis=0)
    smooth -= np.array([smooth[max(0, i - 12) : i + 13].mean(axis=0) for i in range(hours)])
    rain: np.ndarray = 1e-3 * np.maximum(smooth - 2.0, 0)
    return rain


WIND = "10m_u_component_of_wind"


def test_weather_gives_no_finding():
    assert found(WIND, noise(0, 5)) == {}
    assert found("geopotential", noise(55_000, 500), level=500) == {}
    assert found("relative_humidity", noise(60, 10), level=850) == {}
    assert found("total_precipitation", showers()) == {}
    assert found("total_cloud_cover", np.clip(noise(0.5, 0.4), 0, 1)) == {}


def test_the_same_field_for_hours_is_found():
    values = noise(0, 5)
    values[101:103] = values[100]
    assert found(WIND, values) == {
        "repeated_fields": "10m_u_component_of_wind has the same field 3 hours in a row, from "
        "2020-01-05T04 to 2020-01-05T06; expected it to change"
    }
    values = noise(0, 5)
    values[101] = values[100]  # two are chance, or an hour that was filled in
    assert found(WIND, values) == {}


def test_hours_held_from_every_third_are_found():
    assert "repeated_fields" in found(WIND, np.repeat(noise(0, 5, hours=248), 3, axis=0))


def test_a_day_once_more_is_found():
    values = noise(0, 5)
    values[240:264] = values[216:240]
    assert found(WIND, values)["repeated_fields"] == (
        "10m_u_component_of_wind has the 24 fields from 2020-01-10T00 on once more from "
        "2020-01-11T00 on; expected others"
    )


def test_zeros_of_a_wind_are_a_field_that_stays():
    values = noise(0, 5)
    values[372:] = 0
    assert "the same field 372 hours in a row" in found(WIND, values)["repeated_fields"]


def test_a_few_points_may_meet_again_when_packed_coarsely():
    values = noise(0, 5, shape=(2, 2))
    values[101:105] = values[100]
    assert found(WIND, values) == {}
    values[101:106] = values[100]
    assert "repeated_fields" in found(WIND, values)


def test_sea_surface_is_renewed_once_a_day():
    daily = np.repeat(noise(300, 0.2, hours=31), 24, axis=0)
    daily[:, 0, 0] = np.nan
    assert found("sea_surface_temperature", daily) == {}
    daily[:] = daily[0]
    assert "repeated_fields" in found("sea_surface_temperature", daily)


def test_clear_wet_and_dry_days_may_last():
    cloud = np.clip(noise(0.5, 0.4), 0, 1)
    cloud[:200], cloud[300:500] = 0.0, 1.0
    assert found("total_cloud_cover", cloud) == {}
    rain = showers()
    rain[100:300] = 0
    rain[400:600] = 0
    assert found("total_precipitation", rain) == {}
    assert found("total_precipitation", np.zeros((744, 4, 5))) == {}


@pytest.mark.parametrize("end", [slice(372, None), slice(0, 372)])
def test_half_a_month_of_zeros_beside_weather_without_any_is_found(end):
    rain = showers()
    rain[:, 0, 0] += noise(1e-3, 1e-4)[:, 0, 0]  # it rains somewhere at all times
    rain[end] = 0
    assert found("total_precipitation", rain)["zero_fields"].startswith(
        "total_precipitation is 0 everywhere for 372 hours, from 2020-01-"
    )


def test_the_sun_rises_every_day_outside_the_polar_circle():
    sun = np.maximum(0, np.cos(2 * np.pi * (np.arange(744) - 12) / 24))[:, None, None]
    sun = 4e6 * sun * (1 + 0.1 * np.random.default_rng(0).random((744, 4, 5)))
    assert found("toa_incident_solar_radiation", sun) == {}
    sun[300:330] = 0
    text = found("toa_incident_solar_radiation", sun)["zero_fields"]
    assert "expected the sun to rise at latitude 20" in text
    assert found("toa_incident_solar_radiation", sun, south=70.0) == {}


def test_what_is_found_of_every_sixth_hour_is_told_in_hours():
    values = noise(0, 5)
    values[102:115] = values[102]
    assert found(WIND, values, step=6) == {
        "repeated_fields": "10m_u_component_of_wind has the same field 13 hours in a row, from "
        "2020-01-05T06 to 2020-01-05T18; expected it to change"
    }
    rain = showers()
    rain[:, 0, 0] += noise(1e-3, 1e-4)[:, 0, 0]
    rain[372:] = 0
    assert (
        "everywhere for 372 hours, from 2020-01-16T12"
        in (found("total_precipitation", rain, step=6)["zero_fields"])
    )
    daily = np.repeat(noise(300, 0.2, hours=31), 24, axis=0)  # the sea surface
    assert found("sea_surface_temperature", daily, step=6) == {}
    daily[:] = daily[0]
    assert "repeated_fields" in found("sea_surface_temperature", daily, step=6)


@pytest.mark.parametrize("step", [6, 12, 24])
def test_a_sun_that_no_hour_of_the_step_sees_is_night(step):
    angle = 2 * np.pi * (np.arange(744) - 12) / 24
    winter = 4e6 * np.maximum(0, np.cos(angle) - 0.75)  # at 60 N: six hours from sunrise on
    sun = winter[:, None, None] * (1 + 0.1 * np.random.default_rng(0).random((744, 4, 5)))
    assert found("toa_incident_solar_radiation", np.roll(sun, 3, axis=0), south=60, step=step) == {}
    dark = np.zeros((744, 4, 5))
    text = found("toa_incident_solar_radiation", dark, south=40, step=step).get("zero_fields", "")
    assert ("expected the sun to rise at latitude 40" in text) == (step == 6)


def test_numbers_of_another_unit_are_found():
    assert "millimetres" in found("total_precipitation", 0.2 * showers() / 1e-3)["other_unit"]
    assert "a fraction?" in found("relative_humidity", noise(0.6, 0.1), level=850)["other_unit"]
    assert "metres?" in found("geopotential", noise(5_600, 50), level=500)["other_unit"]
    assert "metres?" in found("geopotential", noise(11_800, 50), level=200)["other_unit"]
    sun = np.maximum(0, noise(0, 300))
    assert "W m-2" in found("toa_incident_solar_radiation", sun)["other_unit"]


def test_low_geopotentials_and_dry_air_aloft_are_possible():
    assert found("geopotential", noise(800, 100), level=1000) == {}
    assert found("geopotential", noise(115_000, 900), level=200) == {}
    assert found("relative_humidity", noise(0.6, 0.1), level=50) == {}


def watched(dataset: xr.Dataset) -> list[str]:
    """Give what is found in a decoded file before and after regridding."""
    fields = {
        str(name): tuple(f["level"].values.tolist()) if "level" in f.dims else ()
        for name, f in dataset.data_vars.items()
    }
    watch = SourceWatch(*(np.arange(dataset.sizes[axis]) for axis in ("latitude", "longitude")))
    dataset = watch.watch(dataset).compute().chunk(time=24)
    contents = read_content(dataset, fields)
    return [f.text for f in (*watch.findings(), *find_implausible(dataset, fields, contents))]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real ERA5 files (../shared/data) are not here")
@pytest.mark.parametrize(
    "name", ["era5-mumbai/era5_2025_01.nc", "era5-pearl-river/ERA5_2026_04.nc",
             "era5-coral-sea/era5_2023_01.nc"],
)  # fmt: skip
def test_real_months_give_no_finding(name: str):
    assert watched(decode(REAL / name)) == []
