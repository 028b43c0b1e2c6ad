"""Statistics that add up: sums from which every metric follows, over any chunking."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from met2net.verification.own_statistics import own_names, own_summands

__all__ = [
    "OBSERVED",
    "PLAIN",
    "STATISTICS",
    "WEIGHTINGS",
    "Observations",
    "Statistics",
    "compute_statistics",
    "zero_statistics",
]

WEIGHTINGS = ("area", "plain")
PLAIN = WEIGHTINGS.index("plain")
OBSERVED = (
    "weight", "observation", "squared_observation", "observed_anomaly", "squared_observed_anomaly",
)  # fmt: skip
"""Statistics without a forecast in them: the same for all models."""

Sums = Float64[np.ndarray, "*group weighting lead channel"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Weighted sums over points, by weighting, lead and channel.

    f is the forecast, o the observation, f' and o' their anomalies from the climatology of
    the valid time. All sums are float64; two Statistics add to those of both samples. Axes
    before the weighting are groups that are not summed yet: init times, regions, seasons.

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
        observed_anomaly: sum of o'.
        product: sum of f o.
        own: sums of registered metrics, by full name (`met2net.verification.own_statistics`).
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
    observed_anomaly: Sums
    product: Sums
    own: Mapping[str, Sums] = field(default_factory=dict)

    @classmethod
    def of(
        cls, stacked: Float64[np.ndarray, "statistic *group weighting lead channel"]
    ) -> "Statistics":
        """Take `stacked` apart again; the sums of registered metrics may be missing, all of them.

        Raises:
            ValueError: if metrics were registered meanwhile.
        """
        rest = stacked[len(STATISTICS) :]
        names = own_names() if len(rest) else ()
        if len(rest) != len(names):
            raise ValueError(
                f"found {len(rest)} sums of registered metrics; expected {len(names)}: register "
                "metrics before scoring begins"
            )
        known = dict(zip(STATISTICS, stacked, strict=False))
        return cls(**known, own=dict(zip(names, rest, strict=True)))

    def __add__(self, other: "Statistics") -> "Statistics":
        """Merge the statistics of two samples."""
        return Statistics.of(self.stacked() + other.stacked())

    def stacked(self) -> Float64[np.ndarray, "statistic *group weighting lead channel"]:
        """Stack all sums, in the order of the attributes, then those of registered metrics."""
        return np.stack([*(getattr(self, name) for name in STATISTICS), *self.own.values()])

    def summed(self) -> "Statistics":
        """Sum over the first axis, a group."""
        return Statistics.of(self.stacked().sum(axis=1))

    def group(self, *index: int) -> "Statistics":
        """Select one group, by its place on the first axes."""
        known = {name: getattr(self, name)[index] for name in STATISTICS}
        return Statistics(**known, own={name: sums[index] for name, sums in self.own.items()})

    def pooled(self) -> "Statistics":
        """Sum over lead times, which leaves one: scores over all leads pool sums first."""
        return Statistics.of(self.stacked().sum(axis=-2, keepdims=True))


STATISTICS = tuple(each.name for each in fields(Statistics) if each.name != "own")


def zero_statistics(*, num_leads: int, num_channels: int) -> Statistics:
    """Give the statistics of no sample."""
    shape = (len(STATISTICS), len(WEIGHTINGS), num_leads, num_channels)
    return Statistics(*np.zeros(shape))


@dataclass(frozen=True, eq=False)
class Observations:
    """What a batch of forecasts is compared with; its own sums are taken once.

    Attributes:
        fields: what happened, normalized.
        climatology: climatological fields of the valid times, normalized.
        weights: weights of the points, by region and weighting.
        is_valid: points that count, or None where all do. What the fields hold elsewhere
            (NaN, say) does not matter.
        sums: those of `OBSERVED`, by init time, region, weighting, lead and channel.
    """

    fields: Float[Tensor, "b l c h w"]
    climatology: Float[Tensor, "b l c h w"]
    weights: Float64[np.ndarray, "region weighting h w"]
    is_valid: Bool[Tensor, "b l c h w"] | None
    sums: dict[str, Tensor]

    @classmethod
    def of(
        cls,
        fields: Float[Tensor, "b l c h w"],
        *,
        climatology: Float[Tensor, "b l c h w"],
        weights: Float64[np.ndarray, "region weighting h w"],
        is_valid: Bool[Tensor, "b l c h w"] | None = None,
    ) -> "Observations":
        """Sum what does not depend on a forecast.

        Fields should be normalized: near zero, so that sums of squares keep their digits when
        metrics take differences of them (the total variance in R2).
        """
        o, clim = (_without_invalid(x, is_valid).double() for x in (fields, climatology))
        ones = torch.ones_like(o) if is_valid is None else is_valid.double()
        summands = (ones, o, o.square(), o - clim, (o - clim).square())
        sums = {
            name: _integrate(summand, weights)
            for name, summand in zip(OBSERVED, summands, strict=True)
        }
        return cls(fields, climatology, weights, is_valid, sums)

    def compare(self, forecast: Float[Tensor, "b l c h w"]) -> Statistics:
        """Sum a batch of forecasts by init time, region, weighting, lead and channel.

        Raises:
            ValueError: if a value that counts is not finite.
        """
        f, o, clim = (
            _without_invalid(x, self.is_valid).double()
            for x in (forecast, self.fields, self.climatology)
        )
        sums = self.sums | {name: _integrate(x, self.weights) for name, x in _compared(f, o, clim)}
        own = {
            name: _integrate(_without_invalid(x, self.is_valid), self.weights)
            for name, x in own_summands(f, o, clim).items()
        }
        stacked = torch.stack([*(sums[name] for name in STATISTICS), *own.values()])
        if not torch.isfinite(stacked).all():
            raise ValueError(_not_finite(f, o, clim))
        return Statistics.of(stacked.cpu().numpy())


def compute_statistics(
    forecast: Float[Tensor, "b l c h w"],
    observation: Float[Tensor, "b l c h w"],
    *,
    climatology: Float[Tensor, "b l c h w"],
    latitude_weights: Float[np.ndarray, " h"],
) -> Statistics:
    """Sum one batch of forecasts over its init times and the whole field.

    Args:
        forecast: normalized forecast fields.
        observation: what happened, normalized.
        climatology: climatological fields of the valid times.
        latitude_weights: area weights of the rows, mean 1.

    Raises:
        ValueError: if the weights' mean is not 1, or a value is not finite.
    """
    if not np.isclose(latitude_weights.mean(), 1.0, rtol=0, atol=1e-9):
        raise ValueError(f"latitude weights have mean {latitude_weights.mean()}; expected 1")
    rows = np.stack([latitude_weights, np.ones_like(latitude_weights)])
    shape = (1, len(WEIGHTINGS), *observation.shape[-2:])
    weights = np.broadcast_to(rows[None, :, :, None], shape).astype(np.float64)
    observations = Observations.of(observation, climatology=climatology, weights=weights)
    return observations.compare(forecast).summed().group(0)


def _integrate(
    summand: Float[Tensor, "b l c h w"], weights: Float64[np.ndarray, "region weighting h w"]
) -> Float[Tensor, "b region weighting l c"]:
    """Sum over points with every region's weights at once, as one matrix product."""
    columns = torch.from_numpy(rearrange(weights, "r k h w -> (h w) (r k)")).to(summand)
    sums = rearrange(summand, "b l c h w -> (b l c) (h w)") @ columns
    b, lead, c = summand.shape[:3]
    return rearrange(sums, "(b l c) (r k) -> b r k l c", b=b, l=lead, c=c, r=weights.shape[0])


def _compared(f: Tensor, o: Tensor, clim: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Give what is summed of a forecast, one at a time to save memory."""
    yield "error", f - o
    yield "absolute_error", (f - o).abs()
    yield "squared_error", (f - o).square()
    yield "squared_forecast_anomaly", (f - clim).square()
    yield "anomaly_product", (f - clim) * (o - clim)
    yield "product", f * o


def _without_invalid(values: Tensor, is_valid: Tensor | None) -> Tensor:
    """Put zeros where nothing counts."""
    return values if is_valid is None else torch.where(is_valid, values, 0.0)


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
    return (
        "sums of squares overflow float64, or a registered metric gives what is not finite; "
        "expected normalized fields"
    )
