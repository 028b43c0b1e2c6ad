"""Forecasts of all windows, scored one batch and model at a time: memory does not grow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from met2net.data.climatology import Climatology
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import Sample, WindowSpec
from met2net.forecasting.baseline_forecasts import climatology_of_hours
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.verification.statistics import (
    OBSERVED,
    STATISTICS,
    WEIGHTINGS,
    Statistics,
    own_summands,
)

__all__ = ["Observations", "ScoredBatch", "compute_statistics", "score_stream"]


@dataclass(frozen=True, eq=False)
class ScoredBatch:
    """One model's forecasts for some init times, what happened, and the sums of both.

    Attributes:
        model: name.
        init_time: hours since the epoch.
        predictions: normalized forecasts of the channels that are scored.
        targets: normalized observations of these.
        statistics: by init time, region, weighting, lead and channel.
    """

    model: str
    init_time: Int64[np.ndarray, " b"]
    predictions: Float[Tensor, "b l c h w"]
    targets: Float[Tensor, "b l c h w"]
    statistics: Statistics


def score_stream(
    forecasts: Mapping[str, ForecastFunction],
    windows: Dataset[Sample],
    *,
    window: WindowSpec,
    climatology: Climatology,
    weights: Float64[np.ndarray, "region weighting h w"],
    batch_size: int,
    device: str,
    valid: ValidPoints | None = None,
    places: Sequence[int] | None = None,
) -> Iterator[ScoredBatch]:
    """Run every forecast over all windows, batch by batch, the models in order.

    Args:
        forecasts: name -> forecast function, in normalized units.
        windows: every one is scored; a `Subset` for the share of a rank.
        window: the offsets that `windows` were cut with.
        climatology: normalized.
        weights: see `regions.point_weights`.
        batch_size: windows at once.
        device: where the forecasts run.
        valid: points with a value, the others do not count; None: all of them.
        places: of the channels that are scored; None: all of them.

    Raises:
        ValueError: if a forecast has the wrong shape or a value that is not finite.
    """
    for batch in DataLoader(windows, batch_size=batch_size, shuffle=False):
        inputs, targets = batch["inputs"].to(device), batch["targets"].to(device)
        init_time = batch["init_time"]
        clim = climatology_of_hours(climatology, init_time, window.target_hours).to(targets)
        is_valid = None if valid is None else valid.tensor.to(device).expand_as(targets)
        scored = slice(None) if places is None else list(places)
        observations = Observations.of(
            targets[:, :, scored],
            climatology=clim[:, :, scored],
            weights=weights,
            is_valid=None if is_valid is None else is_valid[:, :, scored],
        )
        for name, forecast in forecasts.items():
            with torch.inference_mode():
                predictions = forecast(inputs, init_time.to(device))
            if predictions.shape != targets.shape:
                raise ValueError(
                    f"{name} forecasts shape {tuple(predictions.shape)}; "
                    f"expected {tuple(targets.shape)}, as the targets"
                )
            predictions = predictions[:, :, scored]
            try:
                statistics = observations.compare(predictions)
            except ValueError as error:
                raise ValueError(f"cannot score {name}: {error}") from error
            fields = observations.fields
            yield ScoredBatch(name, init_time.numpy(), predictions, fields, statistics)


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
