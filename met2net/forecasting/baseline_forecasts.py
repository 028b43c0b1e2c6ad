"""Forecasts that need no training: persistence, anomaly persistence, climatology.

Fields are normalized, and so is the climatology. Of channels that are not seen there is nothing to
persist: their forecast is the climatology.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int64
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


def persistence(
    climatology: Climatology, window: WindowSpec, *, hidden: Sequence[int] = ()
) -> ForecastFunction:
    """Forecast the last observed frame for every lead time."""

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        last = repeat(inputs[:, -1], "b c h w -> b l c h w", l=window.num_targets)
        if not hidden:
            return last
        then = climatology_of_hours(climatology, init_time, window.target_hours).to(inputs)
        return torch.where(_is_hidden(hidden, inputs), then, last)

    return forecast


def climatology_forecast(climatology: Climatology, window: WindowSpec) -> ForecastFunction:
    """Forecast the climatology of every valid time."""

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        return climatology_of_hours(climatology, init_time, window.target_hours).to(inputs)

    return forecast


def anomaly_persistence(
    climatology: Climatology, window: WindowSpec, *, hidden: Sequence[int] = ()
) -> ForecastFunction:
    """Forecast the climatology of every valid time plus the last observed anomaly."""

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        now = climatology_of_hours(climatology, init_time, (0,)).to(inputs)  # (B, 1, C, H, W)
        then = climatology_of_hours(climatology, init_time, window.target_hours).to(inputs)
        anomaly = inputs[:, -1:] - now
        if hidden:
            anomaly = torch.where(_is_hidden(hidden, inputs), 0.0, anomaly)
        return then + anomaly

    return forecast


def baseline_forecasts(
    climatology: Climatology, window: WindowSpec, *, hidden: Sequence[int] = ()
) -> dict[str, ForecastFunction]:
    """Give the baselines by name, in the order of the scores.

    Args:
        climatology: normalized, as the fields.
        window: gives the lead times.
        hidden: places of channels that are not seen (`met2net.data.channel_roles.hidden_places`).
    """
    return {
        "persistence": persistence(climatology, window, hidden=hidden),
        "anomaly_persistence": anomaly_persistence(climatology, window, hidden=hidden),
        "climatology": climatology_forecast(climatology, window),
    }


def climatology_of_hours(
    climatology: Climatology, init_time: Int64[Tensor, " b"], offsets: tuple[int, ...]
) -> Float[Tensor, "b l c h w"]:
    """Look up the climatology some hours after each init time."""
    valid = init_time.cpu().numpy()[:, None] + np.array(offsets)
    fields = torch.from_numpy(climatology.at(valid.ravel()))
    return rearrange(fields, "(b l) c h w -> b l c h w", l=len(offsets))


def _is_hidden(hidden: Sequence[int], inputs: Tensor) -> Bool[Tensor, "c 1 1"]:
    """Mark the channels that are not seen."""
    marks = torch.zeros(inputs.shape[2], dtype=torch.bool, device=inputs.device)
    marks[list(hidden)] = True
    return marks[:, None, None]
