"""What is known of every hour in advance: which fields there are, and those that move with time."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor

from met2net.data.solar_radiation import SOLAR_CONSTANT, hourly_solar_radiation
from met2net.data.static_fields import STATIC_VARIABLES
from met2net.data.year_phase import year_phase

__all__ = ["OF_PLACE", "KnownField", "moving_fields", "moving_labels"]

KnownField = Literal[
    "climatology", "solar_radiation", "time_of_day", "day_of_year", "latitude", "longitude",
    "valid_mask", "orography", "land_sea_mask",
]  # fmt: skip
"""`time_of_day`: cosine and sine of the mean solar time; `day_of_year`: of the year; `latitude`:
its sine; `longitude`: cosine and sine; `climatology`: of every channel, normalized;
`solar_radiation`: at the top of the atmosphere, mean over the hour before, as a share of the solar
constant; `valid_mask`: of every channel that lacks a value somewhere, 1 where it has one and 0
elsewhere; `orography`: height of the surface [km]; `land_sea_mask`: share of land (both:
`met2net.data.static_fields`)."""

OF_PLACE = ("latitude", "longitude", "valid_mask", *STATIC_VARIABLES)
"""Fields that are the same at every hour."""

_PARTS = {"time_of_day": 2, "day_of_year": 2}  # cosine and sine


def moving_labels(fields: Sequence[str]) -> list[str]:
    """Name the channels that `moving_fields` gives of an hour."""
    moving = [field for field in fields if field not in (*OF_PLACE, "climatology")]
    return [f"{field} {part}" for field in moving for part in range(_PARTS.get(field, 1))]


def moving_fields(
    fields: Sequence[str],
    valid: Int64[Tensor, "b t"],
    *,
    latitude: Float[Tensor, " h"],
    longitude: Float[Tensor, " w"],
    dtype: torch.dtype,
) -> Iterator[Float[Tensor, "b t 1 h w"]]:
    """Give the fields of hours that all variables see, in order; the climatology is none of them.

    Args:
        fields: of `KnownField`; those of place are passed over.
        valid: hours since 1970-01-01T00 UTC.
        latitude: of the grid [degrees north].
        longitude: of the grid [degrees east].
        dtype: of what is given.
    """
    shape = (*valid.shape, 1, len(latitude), len(longitude))
    for field in fields:
        if field == "solar_radiation":
            flux = hourly_solar_radiation(valid.flatten(), latitude=latitude, longitude=longitude)
            share = rearrange(flux, "(b t) h w -> b t 1 h w", t=valid.shape[1])
            yield share.to(dtype) / SOLAR_CONSTANT
        elif field == "time_of_day":
            turn = torch.remainder(valid, 24).to(dtype) / 24
            angle = 2 * math.pi * turn[..., None] + torch.deg2rad(longitude)
            angle = angle[:, :, None, None, :].to(dtype)
            yield from (part(angle).expand(shape) for part in (torch.cos, torch.sin))
        elif field == "day_of_year":
            angle = 2 * math.pi * year_phase(valid).to(dtype)
            angle = angle[:, :, None, None, None]
            yield from (part(angle).expand(shape) for part in (torch.cos, torch.sin))
