"""Whether simulated weather has woken up: its eddies and errors no longer grow from week to week.

A simulation starts from rest. For weeks its air flows along the circles of latitude, and forecasts
of it are far too easy; a model trained on such weeks meets other weather in the test.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

__all__ = ["LEAST_SHARE", "WeatherActivity", "is_settled", "weather_activity"]

LEAST_SHARE = 0.75
"""Of what the last third of a month has that the first third has in settled weather, of eddy energy
and of day-to-day change."""

_WIND = "10m_u_component_of_wind", "10m_v_component_of_wind"


@dataclass(frozen=True)
class WeatherActivity:
    """How lively the weather of some hours is, over the area of the globe.

    Attributes:
        eddy_energy: kinetic energy of the wind's deviations from the mean of its latitude circle
            [m2 s-2].
        daily_change: root mean square of the eastward wind's change in 24 hours [m s-1]: the
            error of persistence.
    """

    eddy_energy: float
    daily_change: float


def weather_activity(weather: xr.Dataset) -> tuple[WeatherActivity, ...]:
    """Measure the three thirds of some days.

    Args:
        weather: hourly wind at 10 m, `(time, latitude, longitude)`; at least six days.

    Raises:
        ValueError: if there are fewer days.
    """
    hours = weather.sizes["time"]
    if hours < 6 * 24:
        raise ValueError(f"found {hours} hours; expected at least {6 * 24}, six days")
    weights: xr.DataArray = xr.ufuncs.cos(xr.ufuncs.deg2rad(weather["latitude"]))
    edges = [hours * third // 3 for third in range(4)]
    thirds = []
    for start, end in zip(edges, edges[1:], strict=False):
        # Every sixth hour says as much of three weeks as all do.
        wind = weather[list(_WIND)].isel(time=slice(start, end, 6)).load().astype(np.float64)
        eddies = wind - wind.mean("longitude")
        energy = 0.5 * (eddies[_WIND[0]] ** 2 + eddies[_WIND[1]] ** 2)
        change = wind[_WIND[0]] - wind[_WIND[0]].shift(time=4)
        means = [field.weighted(weights).mean() for field in (energy, change**2)]
        thirds.append(WeatherActivity(float(means[0]), float(np.sqrt(means[1]))))
    return tuple(thirds)


def is_settled(thirds: tuple[WeatherActivity, ...]) -> bool:
    """Tell whether the first third is nearly as lively as the last.

    Either number alone is blind: the first days at rest have waves of adjustment, which change the
    wind from day to day without being weather.
    """
    first, last = thirds[0], thirds[-1]
    return (
        first.eddy_energy >= LEAST_SHARE * last.eddy_energy
        and first.daily_change >= LEAST_SHARE * last.daily_change
    )
