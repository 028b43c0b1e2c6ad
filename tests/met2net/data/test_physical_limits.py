"""What cannot be weather never reaches a network."""

import re

import numpy as np
import pytest

from met2net.data.physical_limits import check_inputs, describe_limits
from met2net.data.variables import VARIABLES, variable
from tests.met2net.test_forecast import GRID, INIT, make_dataset, make_forecaster

LABELS = ("t2m", "msl", "u10")


def make_inputs() -> np.ndarray:
    """Two samples of two frames: 290 K, 101,000 Pa, 5 m s-1."""
    values = np.array([290.0, 101_000.0, 5.0])[:, None, None]
    return np.broadcast_to(values, (2, 2, 3, *GRID.shape)).astype(np.float32)


def test_weather_passes():
    check_inputs(make_inputs(), LABELS, grid=GRID)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, -9999.0, "t2m (2m temperature) is -9999 K at frame 1 of sample 1, latitude 24, "
                     "longitude 112 (and 0 more values); expected within 160 to 350 K"),
        (0, 0.0, "t2m (2m temperature) is 0 K at"),
        (0, 1e20, "t2m (2m temperature) is 1e+20 K at"),
        (1, 1e30, "msl (mean sea level pressure) is 1e+30 Pa at"),
        (1, 0.0, "expected within 85000 to 110000 Pa"),
        (2, -999.0, "u10 (10m u component of wind) is -999 m s-1 at"),
    ],
)  # fmt: skip
def test_one_number_that_stands_for_no_value_is_named(place, value, message):
    inputs = make_inputs()
    inputs[1, 1, place, 1, 2] = value
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        check_inputs(inputs, LABELS, grid=GRID)
    assert "looks like" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "change", "units"),
    [(0, lambda x: x - 273.15, "degrees Celsius"), (1, lambda x: x / 100, "hPa")],
)
def test_a_field_in_another_unit_is_told_with_the_unit(place, change, units):
    inputs = make_inputs()
    inputs[:, :, place] = change(inputs[:, :, place])
    with pytest.raises(ValueError, match=rf"\(the whole field looks like {units}\)"):
        check_inputs(inputs, LABELS, grid=GRID)


@pytest.mark.parametrize("table", VARIABLES, ids=lambda table: table.name)
def test_every_variable_has_a_first_value_below_and_above_which_it_is_refused(table):
    label = table.label + ("500" if table.level_kind == "pressure" else "")
    for end, outwards in zip(table.valid_range, (-1, 1), strict=True):
        width = table.valid_range[1] - table.valid_range[0]
        inputs = np.full((1, 1, 1, *GRID.shape), end)
        check_inputs(inputs, (label,), grid=GRID)
        with pytest.raises(ValueError, match=f"{label} "):
            check_inputs(inputs + outwards * 1e-5 * width, (label,), grid=GRID)


def test_what_is_no_weather_has_no_limits():
    check_inputs(np.full((1, 1, 1, *GRID.shape), -9999.0), ("digit",), grid=GRID)


def test_a_unit_is_guessed_only_where_it_makes_the_whole_field_possible():
    field = np.array([[15.0, 20.0], [25.0, -9999.0]])
    limits = "expected within 160 to 350 K"
    assert describe_limits(field, variable("2m_temperature")) == limits
    field[1, 1] = np.nan  # a place without a value says nothing of units
    found = describe_limits(field, variable("2m_temperature"))
    assert found == f"{limits} (the whole field looks like degrees Celsius)"


def test_rain_below_none_is_refused_and_no_unit_is_blamed():
    rain, limits = variable("total_precipitation"), "expected within -0.0001 to 1 m"
    field = np.array([[-5e-4, -4e-4], [-5e-4, 0.0]])
    assert describe_limits(field, rain) == limits
    found = describe_limits(np.array([[3.0, 20.0], [0.0, 5.0]]), rain)
    assert found == f"{limits} (the whole field looks like mm)"
    with pytest.raises(ValueError, match=r"tp \(total precipitation\) is -0.0005 m at"):
        check_inputs(np.full((1, 1, 1, *GRID.shape), -5e-4), ("tp",), grid=GRID)


def test_a_dataset_is_refused_with_variable_hour_and_place():
    dataset = make_dataset()
    dataset["2m_temperature"].loc[{"time": INIT, "latitude": 23.0, "longitude": 110.0}] = -9999.0
    match = r"t2m .* is -9999 K at 2020-01-01T18, latitude 23, longitude 110 .*160 to 350 K"
    with pytest.raises(ValueError, match=match):
        make_forecaster().forecast(dataset, INIT)
    # Hours that the model does not read are not looked at.
    make_forecaster().forecast(dataset, INIT - np.timedelta64(1, "h"))


def test_a_roll_out_may_leave_the_limits():
    forecaster = make_forecaster()
    forecaster._run = lambda inputs, hours: np.full((1, 3, 3, *GRID.shape), 1e4, dtype=np.float32)
    inputs = np.full((1, 2, 3, *GRID.shape), 180, dtype=np.float32)
    assert forecaster.roll_out(inputs, num_leads=7).shape[1] == 7
    inputs[0, 0, 0] = 0.0
    with pytest.raises(ValueError, match="t2m"):
        forecaster.roll_out(inputs, num_leads=7)
