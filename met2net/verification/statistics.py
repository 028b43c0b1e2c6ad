"""Statistics that add up: sums from which every metric follows, over any chunking."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["PLAIN", "WEIGHTINGS", "Statistics", "compute_statistics", "zero_statistics"]

WEIGHTINGS = ("area", "plain")
PLAIN = WEIGHTINGS.index("plain")

Sums = Float64[np.ndarray, "weighting lead channel"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Weighted sums over init times and points, by weighting, lead and channel.

    f is the forecast, o the observation, f' and o' their anomalies from the climatology of
    the valid time. All sums are float64; two Statistics add to those of both samples.

    Attributes:
        weight: sum of the weights (their mean is 1: the number of windows x points).
        error: sum of f - o.
        absolute_error: sum of |f - o|.
        squared_error: sum of (f - o)^2.
        observation: sum of o.
        squared_observation: sum of o^2.
        squared_forecast_anomaly: sum of f'^2.
        squared_observed_anomaly: sum of o'^2.
        anomaly_product: sum of f' o'.
    """

    weight: Sums
    error: Sums
    absolute_error: Sums
    squared_error: Sums
    observation: Sums
    squared_observation: Sums
    squared_forecast_anomaly: Sums
    squared_observed_anomaly: Sums
    anomaly_product: Sums

    def __add__(self, other: "Statistics") -> "Statistics":
        """Merge the statistics of two samples."""
        return Statistics(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def pooled(self) -> "Statistics":
        """Sum over lead times, which leaves one: scores over all leads pool sums first."""
        return Statistics(*(x.sum(axis=1, keepdims=True) for x in astuple(self)))


def zero_statistics(*, num_leads: int, num_channels: int) -> Statistics:
    """Give the statistics of no sample."""
    shape = (len(WEIGHTINGS), num_leads, num_channels)
    return Statistics(*(np.zeros(shape) for _ in fields(Statistics)))


def compute_statistics(
    forecast: Float[Tensor, "b l c h w"],
    observation: Float[Tensor, "b l c h w"],
    *,
    climatology: Float[Tensor, "b l c h w"],
    latitude_weights: Float[np.ndarray, " h"],
) -> Statistics:
    """Sum one batch of forecasts.

    Fields should be normalized: near zero, so that sums of squares keep their digits when
    metrics take differences of them (the total variance in R2).

    Args:
        forecast: forecast fields.
        observation: what happened.
        climatology: climatological fields of the valid times.
        latitude_weights: area weights of the rows, mean 1.

    Raises:
        ValueError: if the weights' mean is not 1, or a value is not finite.
    """
    if not np.isclose(latitude_weights.mean(), 1.0, rtol=0, atol=1e-9):
        raise ValueError(f"latitude weights have mean {latitude_weights.mean()}; expected 1")
    weights = torch.from_numpy(np.stack([latitude_weights, np.ones_like(latitude_weights)]))
    weights = weights.to(device=forecast.device, dtype=torch.float64)  # (weighting, H)

    summands = _summands(forecast.double(), observation.double(), climatology.double())
    rows = torch.stack([x.sum(dim=(0, 4)) for x in summands])  # (statistic, L, C, H)
    sums = torch.einsum("slch,kh->sklc", rows, weights)
    if not torch.isfinite(sums).all():
        raise ValueError(_not_finite(forecast, observation, climatology))
    return Statistics(*sums.cpu().numpy())


def _summands(f: Tensor, o: Tensor, clim: Tensor) -> Iterator[Tensor]:
    """Give what is summed, in the order of the fields, one at a time to save memory."""
    yield torch.ones_like(f)
    yield f - o
    yield (f - o).abs()
    yield (f - o).square()
    yield o
    yield o.square()
    yield (f - clim).square()
    yield (o - clim).square()
    yield (f - clim) * (o - clim)


def _not_finite(forecast: Tensor, observation: Tensor, climatology: Tensor) -> str:
    """Say which fields are not finite, and where first."""
    named = {"forecast": forecast, "observation": observation, "climatology": climatology}
    for name, values in named.items():
        bad = ~torch.isfinite(values)
        if bad.any():
            by_place = rearrange(bad, "b l c h w -> l c (b h w)").any(dim=-1)
            lead, channel = by_place.nonzero()[0].tolist()
            return (
                f"{name} has {int(bad.sum())} values that are not finite, first at lead index "
                f"{lead}, channel index {channel}; expected none"
            )
    return "sums of squares overflow float64; expected normalized fields"
