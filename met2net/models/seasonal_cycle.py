"""A climatology small enough to travel inside a network: harmonics of the year, by hour of day."""

import math

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from met2net.data.climatology import Climatology
from met2net.data.year_phase import FIRST_DAY, year_phase

__all__ = ["NUM_SEASONS", "SeasonalCycle"]

NUM_SEASONS = 9
"""Terms of a climatology by day of year: its mean and four harmonics of the year. A running mean of
61 days has taken most of what is shorter."""


class SeasonalCycle(nn.Module):
    """Mean fields of any hour, from a few terms a point: set once by `fit`, never trained.

    Args:
        num_channels: channels of the fields.
        grid_shape: their latitudes and longitudes.
        num_seasons: 1 for a climatology by hour of day alone, else `NUM_SEASONS`.
        num_hours: hours of day that the climatology has, evenly spaced from 00 UTC.

    Attributes:
        terms: the mean, then cosine and sine of every harmonic: (season, hour, c, h, w).
    """

    terms: Tensor

    def __init__(
        self, *, num_channels: int, grid_shape: tuple[int, int], num_seasons: int, num_hours: int
    ) -> None:
        super().__init__()
        shape = (num_seasons, num_hours, num_channels, *grid_shape)
        self.register_buffer("terms", torch.zeros(shape))

    def fit(self, climatology: Climatology) -> None:
        """Take the terms that are closest to a climatology, by least squares over its days.

        Raises:
            ValueError: if it has another number of hours of day, of channels or of points.
        """
        days, *rest = climatology.values.shape
        num_seasons = 1 if days == 1 else NUM_SEASONS
        if (num_seasons, *rest) != tuple(self.terms.shape):
            raise ValueError(
                f"the climatology has {days} days and shape {tuple(rest)}; expected terms of "
                f"shape {tuple(self.terms.shape)}"
            )
        every_day = np.arange(days)
        for hour in range(rest[0]):
            fields = climatology.values[every_day, np.full(days, hour)]
            if days == 1:
                self.terms[0, hour] = torch.as_tensor(fields[0])
                continue
            now = 24 * (FIRST_DAY + every_day) + hour * (24 // rest[0])
            basis = _basis(torch.from_numpy(now), num_seasons)
            flat = torch.as_tensor(fields, dtype=torch.float64).flatten(1)
            solved = torch.linalg.lstsq(basis, flat).solution
            self.terms[:, hour] = solved.reshape(num_seasons, *rest[1:]).float()

    def forward(
        self, init_time: Int64[Tensor, " b"], offsets: tuple[int, ...]
    ) -> Float[Tensor, "b l c h w"]:
        """Give the fields some hours after each init time (hours since 1970-01-01T00 UTC).

        An hour of day between two of the climatology's takes the earlier one's.
        """
        num_seasons, num_hours = self.terms.shape[:2]
        valid = init_time[:, None] + torch.tensor(offsets, device=init_time.device)
        hour = torch.remainder(valid, 24) // (24 // num_hours)
        if num_seasons == 1:
            return self.terms[0][hour]
        basis = _basis(valid.flatten(), num_seasons).to(self.terms.dtype)
        # By season one after the other: all seasons of all frames at once would be nine fields.
        hours = hour.flatten()
        fields = basis[:, 0, None, None, None] * self.terms[0][hours]
        for season in range(1, num_seasons):
            fields = fields + basis[:, season, None, None, None] * self.terms[season][hours]
        return rearrange(fields, "(b l) c h w -> b l c h w", l=len(offsets))


def _basis(hours: Int64[Tensor, " n"], num_seasons: int) -> Float64[Tensor, "n season"]:
    """Give 1, then cosine and sine of each harmonic of the year."""
    angle = 2 * math.pi * year_phase(hours)
    columns = [torch.ones_like(angle)]
    for harmonic in range(1, (num_seasons + 1) // 2):
        columns += [torch.cos(harmonic * angle), torch.sin(harmonic * angle)]
    return torch.stack(columns, dim=1)
