"""Against jax-solar, which JAX-GCM and its relatives take, and ERA5's definition."""

import numpy as np
import pytest
import torch

from met2net.data.solar_radiation import SOLAR_CONSTANT, hourly_solar_radiation

jax_solar = pytest.importorskip("jax_solar")
LATITUDE, LONGITUDE = np.linspace(87.5, -87.5, 8), np.arange(0.0, 360.0, 45.0)


def ours(hours: np.ndarray) -> np.ndarray:
    fields = hourly_solar_radiation(
        torch.from_numpy(hours), latitude=torch.tensor(LATITUDE, dtype=torch.float32),
        longitude=torch.tensor(LONGITUDE, dtype=torch.float32),
    )  # fmt: skip
    return fields.numpy()


def hours_of(start: str, end: str, step: int = 1) -> np.ndarray:
    return np.arange(*np.array([start, end], dtype="datetime64[h]").astype(np.int64), step)


@pytest.mark.parametrize("day", ["2001-03-20", "2016-06-21", "2020-12-31"])
def test_a_day_agrees_with_jax_solar_within_a_hundredth(day):
    """Means over the hour before, as ERA5 sums them: 24 moments an hour, and their mean."""
    hours = hours_of(day, str(np.datetime64(day) + 1))
    minutes = 60 * hours[:, None] - 2.5 * (np.arange(24) + 0.5)
    times = np.array(minutes * 60_000, dtype="datetime64[ms]").astype("datetime64[ns]")
    found = ours(hours)
    expected = np.zeros_like(found)
    for column in range(24):
        expected += np.asarray(
            jax_solar.radiation_flux(
                times[:, column, None, None], LONGITUDE[None, None, :], LATITUDE[None, :, None],
                mean_irradiance=SOLAR_CONSTANT,
            )
        ) / 24  # fmt: skip
    assert found.mean() == pytest.approx(expected.mean(), rel=0.01)
    by_latitude = expected.mean(axis=(0, 2))
    np.testing.assert_allclose(found.mean(axis=(0, 2)), by_latitude, atol=0.01 * by_latitude.max())
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())


def test_a_year_over_the_globe_is_a_quarter_of_the_solar_constant():
    """A sphere has four times the area of its shadow."""
    fields = ours(hours_of("2001-01-01", "2002-01-01", 37))
    weights = np.cos(np.deg2rad(LATITUDE))
    mean = (fields.mean(axis=(0, 2)) * weights).sum() / weights.sum()
    # Eight latitudes are a coarse sum over the sphere.
    assert mean == pytest.approx(SOLAR_CONSTANT / 4, rel=0.02)


def test_nights_are_dark_and_the_noon_sun_stands_where_it_should():
    hours = hours_of("2001-03-20T13", "2001-03-20T14")  # the hour around noon at 0 E: equinox
    fields = hourly_solar_radiation(
        torch.from_numpy(hours - 0), latitude=torch.tensor([0.0, 60.0]),
        longitude=torch.tensor([0.0, 180.0]),
    )[0]  # fmt: skip
    assert fields[0, 0] == pytest.approx(SOLAR_CONSTANT * 1.008, rel=0.02)
    assert fields[1, 0] == pytest.approx(0.5 * fields[0, 0].item(), rel=0.02)
    assert fields[:, 1].max() == 0.0
