"""Solar radiation at the top of the atmosphere, from time and place alone."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from met2net.data.year_phase import year_phase

__all__ = ["SOLAR_CONSTANT", "hourly_solar_radiation"]

SOLAR_CONSTANT = 1361.0
"""Total solar irradiance at the mean distance from the sun [W m-2]. Source: Kopp and Lean 2011,
doi:10.1029/2010GL045777."""

_STEPS = 6  # of an hour, over which the sun moves


def hourly_solar_radiation(
    hours: Int64[Tensor, " n"],
    *,
    latitude: Float[Tensor, " h"],
    longitude: Float[Tensor, " w"],
) -> Float[Tensor, "n h w"]:
    """Give the mean flux through a horizontal plane over the hour before [W m-2].

    As ERA5's `toa_incident_solar_radiation`, which is its sum over that hour [J m-2].
    Declination, distance and equation of time: Spencer 1971, Fourier series representation of the
    position of the sun, Search 2(5), 172.

    Args:
        hours: ends of the hours, since 1970-01-01T00 UTC.
        latitude: degrees north.
        longitude: degrees east.
    """
    north = torch.deg2rad(latitude)[None, :, None]
    east = torch.deg2rad(longitude)[None, None, :]
    # By shape, which an exported program keeps open; `len` gives the example's number.
    total = torch.zeros(hours.shape[0], len(latitude), len(longitude), device=hours.device)
    for step in range(_STEPS):
        back = (step + 0.5) / _STEPS  # [h] before the end of the hour
        angle = 2 * math.pi * (year_phase(hours) - back / 24 / 365.2425)
        declination, distance, equation = (part.to(total)[:, None, None] for part in _orbit(angle))
        turned = torch.remainder(hours, 24).to(total)[:, None, None] - back - 12
        hour_angle = 2 * math.pi * turned / 24 + equation + east
        height = torch.sin(north) * torch.sin(declination) + torch.cos(north) * torch.cos(
            declination
        ) * torch.cos(hour_angle)
        total = total + distance * height.clamp(min=0)
    return SOLAR_CONSTANT / _STEPS * total


def _orbit(angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give declination [rad], (mean distance / distance)^2, and equation of time [rad]."""
    cos, sin = torch.cos, torch.sin
    declination = (
        0.006918 - 0.399912 * cos(angle) + 0.070257 * sin(angle) - 0.006758 * cos(2 * angle)
        + 0.000907 * sin(2 * angle) - 0.002697 * cos(3 * angle) + 0.00148 * sin(3 * angle)
    )  # fmt: skip
    distance = (
        1.00011 + 0.034221 * cos(angle) + 0.00128 * sin(angle) + 0.000719 * cos(2 * angle)
        + 0.000077 * sin(2 * angle)
    )  # fmt: skip
    equation = (
        0.000075 + 0.001868 * cos(angle) - 0.032077 * sin(angle) - 0.014615 * cos(2 * angle)
        - 0.040849 * sin(2 * angle)
    )  # fmt: skip
    return declination, distance, equation
