import numpy as np
import pytest
import xarray as xr

from pipelines.sources.settled_weather import WeatherActivity, is_settled, weather_activity


def moving_waves(growth: float, *, days: int = 30) -> xr.Dataset:
    """A mean flow of 10 m/s, and a wave round the globe in 48 hours whose height grows each day."""
    hours = np.arange(24 * days)
    latitude, longitude = np.array([60.0, 0.0, -60.0]), np.arange(0.0, 360.0, 30.0)
    angle = np.deg2rad(longitude)[None, None] - 2 * np.pi * hours[:, None, None] / 48
    height = (1 + growth * hours / 24)[:, None, None]
    wave = height * np.cos(angle) * np.ones((1, 3, 1))
    fields = {"10m_u_component_of_wind": 10 + wave, "10m_v_component_of_wind": 0 * wave}
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {name: (dims, values.astype(np.float32)) for name, values in fields.items()},
        coords={"time": np.datetime64("2001-01-01", "ns") + hours.astype("timedelta64[h]"),
                "latitude": latitude, "longitude": longitude},
    )  # fmt: skip


def test_the_numbers_of_a_wave_by_hand():
    """A cosine has energy 1/2 * 1/2; in 24 of 48 hours it turns over: its change is 2 cos."""
    for third in weather_activity(moving_waves(0.0)):
        assert third.eddy_energy == pytest.approx(0.25, rel=1e-4)
        assert third.daily_change == pytest.approx(np.sqrt(2.0), rel=1e-4)


def test_growing_waves_are_not_settled():
    level, growing = (weather_activity(moving_waves(growth)) for growth in (0.0, 0.1))
    assert is_settled(level) and not is_settled(growing)
    assert growing[0].daily_change < growing[1].daily_change < growing[2].daily_change
    for energy, change, expected in ((0.8, 0.8, True), (0.7, 1.0, False), (1.0, 0.7, False)):
        thirds = (WeatherActivity(energy, change), WeatherActivity(1.0, 1.0))
        assert is_settled(thirds) == expected


def test_few_days_are_refused():
    with pytest.raises(ValueError, match="found 120 hours; expected at least 144, six days"):
        weather_activity(moving_waves(0.0, days=5))
