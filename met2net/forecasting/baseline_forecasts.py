"""Forecasts that need no training: persistence, anomaly persistence, climatology.

Fields are normalized, and so is the climatology.
"""

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int64
from torch import Tensor

from met2net.data.climatology import Climatology
from met2net.data.windows import WindowSpec
from met2net.forecasting.forecast_function import ForecastFunction

__all__ = [
    "anomaly_persistence",
    "baseline_forecasts",
    "climatology_forecast",
    "climatology_of_hours",
    "persistence",
]


def persistence(window: WindowSpec) -> ForecastFunction:
    """Forecast the last observed frame for every lead time."""

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        return repeat(inputs[:, -1], "b c h w -> b l c h w", l=window.num_targets)

    return forecast


def climatology_forecast(climatology: Climatology, window: WindowSpec) -> ForecastFunction:
    """Forecast the climatology of every valid time."""

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        return climatology_of_hours(climatology, init_time, window.target_hours).to(inputs)

    return forecast


def anomaly_persistence(climatology: Climatology, window: WindowSpec) -> ForecastFunction:
    """Forecast the climatology of every valid time plus the last observed anomaly."""

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        now = climatology_of_hours(climatology, init_time, (0,)).to(inputs)  # (B, 1, C, H, W)
        then = climatology_of_hours(climatology, init_time, window.target_hours).to(inputs)
        return then + (inputs[:, -1:] - now)

    return forecast


def baseline_forecasts(climatology: Climatology, window: WindowSpec) -> dict[str, ForecastFunction]:
    """Give the baselines by name, in the order of the scores."""
    return {
        "persistence": persistence(window),
        "anomaly_persistence": anomaly_persistence(climatology, window),
        "climatology": climatology_forecast(climatology, window),
    }


def climatology_of_hours(
    climatology: Climatology, init_time: Int64[Tensor, " b"], offsets: tuple[int, ...]
) -> Float[Tensor, "b l c h w"]:
    """Look up the climatology some hours after each init time."""
    valid = init_time.cpu().numpy()[:, None] + np.array(offsets)
    fields = torch.from_numpy(climatology.at(valid.ravel()))
    return rearrange(fields, "(b l) c h w -> b l c h w", l=len(offsets))
