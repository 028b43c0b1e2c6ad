"""Forecasts of all windows, scored one batch and model at a time: memory does not grow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from met2net.data.climatology import Climatology
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import Sample, WindowSpec
from met2net.forecasting.baseline_forecasts import climatology_of_hours
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.verification.statistics import Observations, Statistics

__all__ = ["ScoredBatch", "score_stream"]


@dataclass(frozen=True, eq=False)
class ScoredBatch:
    """One model's forecasts for some init times, what happened, and the sums of both.

    Attributes:
        model: name.
        init_time: hours since the epoch.
        predictions: normalized forecasts.
        targets: normalized observations.
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

    Raises:
        ValueError: if a forecast has the wrong shape or a value that is not finite.
    """
    for batch in DataLoader(windows, batch_size=batch_size, shuffle=False):
        inputs, targets = batch["inputs"].to(device), batch["targets"].to(device)
        init_time = batch["init_time"]
        clim = climatology_of_hours(climatology, init_time, window.target_hours).to(targets)
        is_valid = None if valid is None else valid.tensor.to(device).expand_as(targets)
        observations = Observations.of(
            targets, climatology=clim, weights=weights, is_valid=is_valid
        )
        for name, forecast in forecasts.items():
            with torch.inference_mode():
                predictions = forecast(inputs, init_time.to(device))
            if predictions.shape != targets.shape:
                raise ValueError(
                    f"{name} forecasts shape {tuple(predictions.shape)}; "
                    f"expected {tuple(targets.shape)}, as the targets"
                )
            try:
                statistics = observations.compare(predictions)
            except ValueError as error:
                raise ValueError(f"cannot score {name}: {error}") from error
            yield ScoredBatch(name, init_time.numpy(), predictions, targets, statistics)
