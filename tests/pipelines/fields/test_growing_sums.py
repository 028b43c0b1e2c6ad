"""Sums that grow until they start anew are told from rain of an hour."""

import numpy as np
import pytest
import xarray as xr

from pipelines.fields.growing_sums import find_growing_sums

HOURS = np.datetime64("2020-01-01T00", "ns") + np.arange(240) * np.timedelta64(1, "h")


def rain(seed: int = 0, *, hours: int = 240, share: float = 0.4) -> np.ndarray:
    """Rain [m] that starts and stops at any hour, at points of their own."""
    rng = np.random.default_rng(seed)
    falling = rng.random((hours, 3, 4)) < share
    return np.where(falling, rng.gamma(0.8, 1e-3, size=falling.shape), 0.0)


def summed(values: np.ndarray, period: int, start: int = 1) -> np.ndarray:
    """Sum from every `period`-th hour on, counted from the hour `start`."""
    sums, total = np.empty_like(values), np.zeros(values.shape[1:])
    for hour, field in enumerate(values):
        total = field if (hour - start) % period == 0 else total + field
        sums[hour] = total
    return sums


def find(values: np.ndarray, step: int = 1) -> str | None:
    array = xr.DataArray(
        values,
        dims=("time", "latitude", "longitude"),
        coords={"time": HOURS[::step][: len(values)]},
    )
    return find_growing_sums(array.chunk(time=24), values.max(axis=(1, 2)))


@pytest.mark.parametrize("period", [24, 12, 8, 6, 3])
@pytest.mark.parametrize("start", [0, 1])
def test_sums_of_any_period_are_found(period, start):
    text = find(summed(rain(), period, start))
    assert text is not None and f"starts anew every {period} hours" in text


@pytest.mark.parametrize("hours", [24, 25, 48])
def test_a_day_of_them_is_enough(hours):
    values = summed(np.full((hours, 3, 4), 1e-3), 24)
    values[0] = 24e-3  # ERA5-Land: 24, 1, 2 ... 23 mm where 1 mm falls every hour
    assert "starts anew every 24 hours (last at" in str(find(values))


def test_packing_does_not_hide_them():
    sums = summed(rain(), 24)
    packed = sums + 0.5 * sums.max() / 2**16 * np.random.default_rng(1).uniform(-1, 1, sums.shape)
    assert find(packed) is not None


def test_a_sum_since_the_start_of_a_simulation_is_found():
    assert "only grows" in str(find(np.cumsum(rain(), axis=0)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.4, 0.02, 0.001])
def test_rain_of_an_hour_is_none(seed, share):
    assert find(rain(seed, share=share)) is None


def test_steady_rain_and_none_are_none():
    assert find(np.full((240, 3, 4), 1e-3)) is None
    assert find(np.zeros((240, 3, 4))) is None
    assert find(summed(rain(), 24)[:8]) is None  # too short to tell


def test_showers_at_the_same_time_of_day_are_none():
    values = np.zeros((240, 3, 4))
    for day in range(9):
        for hour, amount in ((14, 1.0), (15, 3.0), (16, 4.0), (17, 0.0)):
            values[24 * day + hour] = 1e-3 * amount
    assert find(values) is None


def test_six_hourly_sums_of_six_hours_are_none_and_daily_ones_are_found():
    six = rain().reshape(40, 6, 3, 4).sum(axis=1)
    assert find(six, step=6) is None
    assert "every 24 hours" in str(find(summed(six, 4), step=6))


@pytest.mark.parametrize("step", [2, 3, 4, 6])
def test_daily_sums_of_every_few_hours_are_found(step):
    assert "every 24 hours" in str(find(summed(rain(), 24)[::step], step))


@pytest.mark.parametrize("step", [1, 3, 4, 6, 8, 12])
@pytest.mark.parametrize("half_day", [2.5, 4.5, 6.0, 9.0])
def test_sun_of_every_few_hours_is_none(step, half_day):
    """Anywhere on Earth: noon at any hour, days of any length."""
    middle = np.arange(240) - 0.5
    for noon in np.arange(0, 24, 1.5):
        angle = (middle - noon + 12) % 24 - 12
        sun = 4e6 * np.maximum(0, np.cos(np.pi / 2 * angle / half_day))[:, None, None]
        array = xr.DataArray(
            sun[::step], dims=("time", "latitude", "longitude"), coords={"time": HOURS[::step]}
        )
        assert find_growing_sums(array, array.values.max(axis=(1, 2))) is None
