import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from met2net.data.variables import VARIABLES, variable
from pipelines.errors import DataError
from pipelines.fields.derived import add_derived, relative_humidity, source_fields, wind_speed
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import GridSettings
from tests.builders import GLOBAL_GRID, make_month, month_hours

WIND = {"10m_u_component_of_wind": (), "10m_v_component_of_wind": ()}
HOURS = month_hours("2016-01")[:5]


def scalar(value: float) -> xr.DataArray:
    return xr.DataArray(np.float32(value))


def month(levels: tuple[int, ...] = ()) -> xr.Dataset:
    """Give winds, temperature and dew point of five hours, and humidity on levels."""
    fields = {**WIND, "2m_temperature": (), **({"relative_humidity": levels} if levels else {})}
    dataset = make_month(HOURS, fields=fields, grid=GLOBAL_GRID, expver="0005")
    dewpoint = dataset["2m_temperature"] - 3.0
    return dataset.assign({"2m_dewpoint_temperature": dewpoint})


def test_derived_names_become_their_inputs_once_each():
    fields = {"2m_relative_humidity": (), "2m_temperature": (), "relative_humidity": (850, 500)}
    assert source_fields(fields) == {
        "2m_temperature": (),
        "2m_dewpoint_temperature": (),
        "relative_humidity": (500, 850),
    }
    assert source_fields({"10m_wind_speed": ()}) == WIND


def test_inputs_of_every_derived_variable_are_variables_that_sources_have():
    derived = [v for v in VARIABLES if v.derived_from]
    assert {v.label for v in derived} == {"ws10", "rh2m"}
    for v in derived:
        assert v.formula
        for name in v.derived_from:
            assert not variable(name).derived_from
            assert variable(name).level_kind == v.level_kind


def test_wind_speed_by_hand():
    assert float(wind_speed(scalar(3), scalar(-4))) == 5.0


@pytest.mark.parametrize(
    ("temperature", "dewpoint"),
    # Saturation pressure over water [hPa] by the formula of Goff and Gratch 1946, as in the
    # Smithsonian Meteorological Tables, 6th edition, table 94; another one, 0.2 % apart at most.
    [
        ((20.0, 23.373), (10.0, 12.272)),
        ((35.0, 56.236), (25.0, 31.671)),
        ((0.0, 6.1078), (-10.0, 2.8627)),
    ],
)
def test_relative_humidity_is_that_of_the_tables(
    temperature: tuple[float, float], dewpoint: tuple[float, float]
):
    result = relative_humidity(scalar(273.15 + temperature[0]), scalar(273.15 + dewpoint[0]))
    assert float(result) == pytest.approx(100 * dewpoint[1] / temperature[1], rel=2e-3)


@given(st.floats(200, 330), st.floats(0, 30))
def test_relative_humidity_is_100_at_the_dew_point_and_less_above(dewpoint: float, gap: float):
    saturated = relative_humidity(scalar(dewpoint), scalar(dewpoint))
    assert float(saturated) == 100.0
    assert float(relative_humidity(scalar(dewpoint + gap), scalar(dewpoint))) <= 100.0


def test_a_month_gets_exactly_the_wanted_fields_with_their_attributes():
    raw = month(levels=(850, 1000))
    fields = {
        "relative_humidity": (850, 1000),
        "10m_wind_speed": (),
        "2m_temperature": (),
        "2m_relative_humidity": (),
    }
    result = add_derived(raw, fields)
    assert list(result.data_vars) == list(fields)
    assert set(result["expver"].values) == {"0005"}
    for name in ("10m_wind_speed", "2m_relative_humidity"):
        assert result[name].dims == ("time", "latitude", "longitude")
        assert result[name].dtype == np.float32
        assert result[name].attrs == variable(name).attrs
    for name in ("relative_humidity", "2m_temperature"):
        xr.testing.assert_identical(result[name], raw[name])
    u, v = (raw[name].values.astype(np.float64) for name in WIND)
    np.testing.assert_allclose(result["10m_wind_speed"].values, np.sqrt(u**2 + v**2), rtol=1e-6)


def test_a_month_without_derived_fields_stays_as_it_is():
    raw = month(levels=(850,))
    fields = {str(name): () for name in raw.data_vars}
    xr.testing.assert_identical(add_derived(raw, fields), raw)


def test_fields_are_computed_from_dask_arrays_when_asked():
    raw = month()
    fields = {"10m_wind_speed": (), "2m_relative_humidity": ()}
    with dask.config.set(scheduler="synchronous"):
        lazy = add_derived(raw.chunk(time=2), fields)
        for name in fields:
            assert lazy[name].chunks is not None
            assert lazy[name].dtype == np.float32
        xr.testing.assert_identical(lazy.compute(), add_derived(raw, fields))


def test_a_field_that_the_files_have_is_computed_all_the_same():
    raw = month()
    raw["10m_wind_speed"] = raw["10m_u_component_of_wind"] * 0 - 1
    speed = add_derived(raw, {"10m_wind_speed": ()})["10m_wind_speed"]
    assert float(speed.min()) >= 0


def test_the_mean_of_the_speed_is_not_the_speed_of_the_mean():
    raw = month()
    opposite = np.where(np.arange(raw.sizes["longitude"]) % 2, 5.0, -5.0).astype(np.float32)
    raw["10m_u_component_of_wind"].values[:] = opposite
    raw["10m_v_component_of_wind"].values[:] = 0.0
    coarse = GridSettings(latitude=[45, -45], longitude=[15, 75, 135, 195, 255, 315])
    before = regrid(add_derived(raw, {"10m_wind_speed": ()}), coarse)["10m_wind_speed"]
    after = add_derived(regrid(raw, coarse), {"10m_wind_speed": ()})["10m_wind_speed"]
    np.testing.assert_allclose(before.values, 5.0)
    np.testing.assert_allclose(after.values, 0.0, atol=1e-6)


def test_a_missing_input_is_refused():
    raw = month().drop_vars("2m_dewpoint_temperature")
    with pytest.raises(DataError, match="2m_dewpoint_temperature are missing; found: 10m_u"):
        add_derived(raw, {"2m_relative_humidity": ()})
    with pytest.raises(DataError, match="found: none"):
        add_derived(xr.Dataset(), {"10m_wind_speed": ()})


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="unknown variable 'wind'"):
        source_fields({"wind": ()})
