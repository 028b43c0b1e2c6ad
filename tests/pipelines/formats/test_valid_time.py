"""Fields count at the hour that they are valid for, however start and step lie."""

import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.canonical import canonical

DAY = np.datetime64("2020-01-01T00", "ns")
HOUR = np.timedelta64(1, "h")
GRID = {"latitude": [20.0, 19.0, 18.0], "longitude": [70.0, 71.0]}


def made(starts: np.ndarray, steps: np.ndarray, *, valid: bool = True) -> xr.Dataset:
    """Make temperature 280 K + hours since DAY, by start and step, as cfgrib writes it."""
    moments = starts[:, None] + steps[None, :]
    values = 280.0 + (moments - DAY) / HOUR
    field = np.broadcast_to(values[:, :, None, None], (*values.shape, 3, 2)).copy()
    coords = {"time": starts.astype("M8[ns]"), "step": steps.astype("m8[ns]"), **GRID}
    dataset = xr.Dataset(
        {"t2m": (("time", "step", "latitude", "longitude"), field, {"units": "K"})}, coords=coords
    )
    if valid:
        dataset = dataset.assign_coords(valid_time=(("time", "step"), moments.astype("M8[ns]")))
    dataset["time"].attrs["standard_name"] = "forecast_reference_time"
    return dataset


def check(dataset: xr.Dataset, hours: list[int]) -> None:
    found = canonical(dataset, origin="x.nc")["2m_temperature"]
    np.testing.assert_array_equal(found["time"], DAY + np.array(hours) * HOUR)
    np.testing.assert_array_equal(found[:, 0, 0], 280.0 + np.array(hours))


@pytest.mark.parametrize("valid", [True, False])
def test_a_step_of_one_hour_moves_all_fields(valid):
    check(made(DAY + np.arange(4) * HOUR, np.array([HOUR]), valid=valid), [1, 2, 3, 4])


@pytest.mark.parametrize("valid", [True, False])
def test_a_scalar_step_does_too(valid):
    dataset = made(DAY + np.arange(4) * HOUR, np.array([6 * HOUR]), valid=valid)
    check(dataset.isel(step=0), [6, 7, 8, 9])


@pytest.mark.parametrize("valid", [True, False])
def test_steps_of_one_start_are_hours(valid):
    dataset = made(np.array([DAY]), np.arange(1, 5) * HOUR, valid=valid)
    check(dataset, [1, 2, 3, 4])
    check(dataset.isel(time=0), [1, 2, 3, 4])
    check(dataset.isel(time=0, step=2), [3])


def test_steps_of_several_starts_are_put_in_one_row():
    check(made(DAY + np.array([0, 12]) * HOUR, np.arange(1, 13) * HOUR), list(range(1, 25)))


def test_what_a_converter_filled_in_is_no_hour():
    dataset = made(DAY + np.array([0, 2]) * HOUR, np.arange(1, 4) * HOUR)
    field = dataset["t2m"].values
    field[0, 2] = np.nan  # hour 3, which the second start has
    check(dataset, [1, 2, 3, 4, 5])


def test_two_forecasts_of_an_hour_are_refused():
    with pytest.raises(DataError, match="time 2020-01-01T03.* twice"):
        canonical(made(DAY + np.array([0, 2]) * HOUR, np.arange(1, 4) * HOUR), origin="x.nc")


@pytest.mark.parametrize(("unit", "factor"), [("hours", 1), ("minutes", 60)])
def test_steps_in_numbers_need_a_unit(unit, factor):
    dataset = made(DAY + np.arange(2) * HOUR, np.array([HOUR]), valid=False)
    numbers = dataset.assign_coords(step=("step", [1 * factor], {"units": unit}))
    check(numbers, [1, 2])
    with pytest.raises(DataError, match=r"x\.nc: found step in 'no units'; expected hours"):
        canonical(dataset.assign_coords(step=("step", [1])), origin="x.nc")


def test_a_start_alone_is_refused():
    dataset = made(DAY + np.arange(2) * HOUR, np.array([HOUR]), valid=False)
    dataset = dataset.isel(step=0).drop_vars("step")
    with pytest.raises(DataError, match="found time, the time that forecasts were made, and no st"):
        canonical(dataset, origin="x.nc")
    renamed = dataset.rename(time="forecast_reference_time")
    with pytest.raises(DataError, match="found forecast_reference_time, the time that forecasts"):
        canonical(renamed, origin="x.nc")


def test_a_valid_time_that_is_not_start_plus_step_is_refused():
    dataset = made(DAY + np.arange(2) * HOUR, np.array([HOUR]))
    wrong = dataset.assign_coords(valid_time=dataset["valid_time"] + 2 * HOUR)
    with pytest.raises(DataError, match="found valid_time 2020-01-01T03:00 at time 2020-01-01T00:"):
        canonical(wrong, origin="x.nc")


def test_one_valid_time_for_several_starts_is_refused():
    dataset = made(DAY + np.arange(2) * HOUR, np.array([HOUR])).isel(step=0).drop_vars("step")
    wrong = dataset.drop_vars("valid_time").assign_coords(valid_time=DAY)
    with pytest.raises(DataError, match="found valid_time along no dimension"):
        canonical(wrong, origin="x.nc")


def test_a_valid_time_without_a_step_is_the_time():
    dataset = made(DAY + np.arange(3) * HOUR, np.array([HOUR])).isel(step=0).drop_vars("step")
    check(dataset, [1, 2, 3])


def test_times_of_no_calendar_are_refused():
    dataset = made(DAY + np.arange(2) * HOUR, np.array([HOUR]), valid=False)
    with pytest.raises(DataError, match="found time as .*; expected times of a calendar"):
        canonical(dataset.assign_coords(time=[0.0, 1.0]), origin="x.nc")
