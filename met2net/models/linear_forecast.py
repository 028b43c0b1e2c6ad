"""A linear map from the last anomalies to those of every lead time, without training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.models.seasonal_cycle import SeasonalCycle

__all__ = ["LinearForecast", "LinearForm"]


@dataclass(frozen=True)
class LinearForm:
    """What a linear forecast looks at, and which points share its weights.

    Attributes:
        frames: positions of the input frames used, oldest first.
        stencil: width of the square of points around a point that it sees, an odd number; None:
            it sees the whole field, and every point has weights of its own.
        num_bands: of latitudes, each with weights of its own; 1 without a stencil.
        num_day_parts: of the day, each with weights of its own for init times in it; 1 with a
            stencil, whose points share weights over all longitudes and so over all local times.

    Raises:
        ValueError: if there is no frame, or a number is out of range.
    """

    frames: tuple[int, ...]
    stencil: int | None = None
    num_bands: int = 1
    num_day_parts: int = 1

    def __post_init__(self) -> None:
        """Check the numbers."""
        object.__setattr__(self, "frames", tuple(self.frames))
        if not self.frames or min(self.frames) < 0:
            raise ValueError(f"frames are {self.frames}; expected at least one, from 0 on")
        if self.stencil is not None and (self.stencil < 1 or self.stencil % 2 == 0):
            raise ValueError(f"stencil is {self.stencil}; expected an odd number, or none")
        if self.num_bands < 1 or (self.stencil is None and self.num_bands != 1):
            raise ValueError(
                f"num_bands is {self.num_bands}; expected at least 1, and 1 without a stencil"
            )
        if self.num_day_parts < 1 or 24 % self.num_day_parts:
            raise ValueError(f"num_day_parts is {self.num_day_parts}; expected a divisor of 24")
        if self.stencil is not None and self.num_day_parts != 1:
            raise ValueError(f"num_day_parts is {self.num_day_parts}; expected 1 with a stencil")

    @property
    def num_maps(self) -> int:
        """Sets of weights: bands of latitudes, or parts of the day."""
        return max(self.num_bands, self.num_day_parts)

    def num_predictors(self, num_channels: int, grid_shape: Sequence[int]) -> int:
        """Count the numbers that a forecast of one point, or of a whole field, is made from."""
        points = grid_shape[0] * grid_shape[1] if self.stencil is None else self.stencil**2
        return len(self.frames) * num_channels * points


class LinearForecast(nn.Module):
    """Forecast the climatology of every valid time plus an anomaly that is linear in the last ones.

    Fields are normalized. Weights and climatology are set once (`met2net.forecasting.ridge`),
    travel with the network's weights, and are never trained.

    Args:
        num_channels: channels of the fields.
        grid_shape: their latitudes and longitudes.
        input_hours: offsets of all input frames from the init time.
        target_hours: lead times.
        frames: see `LinearForm`.
        stencil: likewise.
        num_bands: likewise.
        num_day_parts: likewise.
        num_seasons: of the climatology, see `SeasonalCycle`.
        num_hours: of the climatology, likewise.
        periodic_longitude: the squares of points go on across the edge between the last and the
            first longitude.
        hidden: places of channels that are not seen, and so have no anomaly.

    Attributes:
        weights: (band or part of the day, predictors, predicted). Predictors are (frame, channel,
            latitude, longitude) of the square or of the field; predicted are (lead time, channel)
            of a point, or (lead time, channel, latitude, longitude).

    Raises:
        ValueError: if the form does not fit the frames or the grid.
    """

    weights: Tensor

    def __init__(
        self,
        *,
        num_channels: int,
        grid_shape: Sequence[int],
        input_hours: Sequence[int],
        target_hours: Sequence[int],
        frames: Sequence[int],
        stencil: int | None = None,
        num_bands: int = 1,
        num_day_parts: int = 1,
        num_seasons: int = 1,
        num_hours: int = 1,
        periodic_longitude: bool = False,
        hidden: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.hidden = tuple(hidden)
        self.form = LinearForm(tuple(frames), stencil, num_bands, num_day_parts)
        self.grid_shape = (grid_shape[0], grid_shape[1])
        if max(frames) >= len(input_hours):
            raise ValueError(f"frames are {tuple(frames)}; expected them below {len(input_hours)}")
        if num_bands > grid_shape[0]:
            raise ValueError(f"num_bands is {num_bands}; expected at most {grid_shape[0]} rows")
        self.input_hours, self.target_hours = tuple(input_hours), tuple(target_hours)
        self.periodic_longitude = periodic_longitude
        self.climatology = SeasonalCycle(
            num_channels=num_channels, grid_shape=self.grid_shape, num_seasons=num_seasons,
            num_hours=num_hours,
        )  # fmt: skip
        predictors = self.form.num_predictors(num_channels, self.grid_shape)
        predicted = len(self.target_hours) * num_channels
        predicted *= self.grid_shape[0] * self.grid_shape[1] if stencil is None else 1
        self.register_buffer("weights", torch.zeros(self.form.num_maps, predictors, predicted))

    def forward(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b t2 c h w"]:
        """Forecast normalized frames; init times are hours since 1970-01-01T00 UTC."""
        leads, (height, width) = len(self.target_hours), self.grid_shape
        anomalies = self.anomalies(inputs, init_time)
        if self.form.stencil is None:
            flat = self._by_day_parts(rearrange(anomalies, "b l c h w -> b (l c h w)"), init_time)
            fields = rearrange(flat, "b (l c h w) -> b l c h w", l=leads, h=height, w=width)
        else:
            fields = rearrange(self._by_bands(anomalies), "b (l c) h w -> b l c h w", l=leads)
        forecast: Tensor = self.climatology(init_time, self.target_hours) + fields
        return forecast

    def anomalies(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        """Subtract the climatology from the frames that are used."""
        hours = tuple(self.input_hours[frame] for frame in self.form.frames)
        means: Tensor = self.climatology(init_time, hours)
        anomalies = inputs[:, list(self.form.frames)] - means
        if not self.hidden:
            return anomalies
        return anomalies.index_fill(2, torch.tensor(self.hidden, device=anomalies.device), 0.0)

    def padded(self, anomalies: Float[Tensor, "b l c h w"]) -> Float[Tensor, "b p h2 w2"]:
        """Put around the fields what a square at their edge sees: no anomaly, or the other side."""
        assert self.form.stencil is not None
        reach = self.form.stencil // 2
        fields = rearrange(anomalies, "b l c h w -> b (l c) h w")
        if self.periodic_longitude:
            columns = torch.arange(-reach, self.grid_shape[1] + reach, device=fields.device)
            fields = fields[..., columns % self.grid_shape[1]]
        else:
            fields = F.pad(fields, (reach, reach))
        return F.pad(fields, (0, 0, reach, reach))

    def bands(self) -> list[slice]:
        """Give the rows of every band of latitudes: as many each, or one more."""
        height, number = self.grid_shape[0], self.form.num_bands
        edges = [height * band // number for band in range(number + 1)]
        return [slice(*edge) for edge in zip(edges, edges[1:], strict=False)]

    def day_part(self, init_time: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """Give the part of the day that init times lie in, from 0 on."""
        return torch.remainder(init_time, 24) * self.form.num_day_parts // 24

    def _by_day_parts(
        self, anomalies: Float[Tensor, "b p"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b q"]:
        """Map every sample by the weights of its part of the day."""
        if self.form.num_day_parts == 1:
            return anomalies @ self.weights[0]
        # Through all maps, then the one of the sample: no copy of the weights a sample.
        mapped = torch.einsum("b p, n p q -> b n q", anomalies, self.weights)
        return mapped[torch.arange(len(mapped), device=mapped.device), self.day_part(init_time)]

    def _by_bands(self, anomalies: Float[Tensor, "b l c h w"]) -> Float[Tensor, "b q h w"]:
        """Convolve every band with its own weights."""
        stencil = self.form.stencil
        fields = self.padded(anomalies)
        kernels = rearrange(
            self.weights, "band (p y x) q -> band q p y x", y=stencil, x=stencil
        ).contiguous()
        parts = [
            F.conv2d(fields[..., rows.start : rows.stop + stencil - 1, :], kernel)
            for rows, kernel in zip(self.bands(), kernels, strict=True)
        ]
        return torch.cat(parts, dim=-2)
