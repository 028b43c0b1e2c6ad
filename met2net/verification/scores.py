"""Score forecasts on windows: one dataset of metrics, streamed in constant memory."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from torch.utils.data import DataLoader

from met2net.baseline_forecasts import climatology_of_hours
from met2net.forecast_function import ForecastFunction
from met2net.grid import Grid
from met2net.normalization import Normalizer
from met2net.verification.climatology import Climatology
from met2net.verification.metrics import METRICS, in_physical_units, rmse
from met2net.verification.statistics import (
    PLAIN,
    WEIGHTINGS,
    Statistics,
    compute_statistics,
    zero_statistics,
)
from met2net.windows import Sample, WindowDataset, WindowSpec

__all__ = ["accumulate_statistics", "score_forecasts", "to_dataset"]


def score_forecasts(
    forecasts: Mapping[str, ForecastFunction],
    windows: WindowDataset,
    *,
    window: WindowSpec,
    climatology: Climatology,
    grid: Grid,
    normalizer: Normalizer,
    units: Sequence[str],
    batch_size: int = 64,
    device: str = "cpu",
) -> xr.Dataset:
    """Score several forecasts on the same windows.

    Args:
        forecasts: name -> forecast function, in normalized units.
        windows: every one is scored.
        window: the offsets that `windows` were cut with.
        climatology: normalized; anomalies for ACC are taken from it.
        grid: its areas weigh the points.
        normalizer: channels, and the scale from normalized to physical units.
        units: one a channel.
        batch_size: windows at once; it does not change the scores.
        device: where the forecasts run.

    Returns:
        `score(model, metric, weighting, channel, lead_time)` and
        `pooled(model, metric, weighting, channel)` in physical units,
        `normalized_rmse(model)`, `count(lead_time)` and `units(channel)`.

    Raises:
        ValueError: if there are no windows, or a forecast has the wrong shape or a value
            that is not finite.
    """
    statistics = accumulate_statistics(
        forecasts, windows, window=window, climatology=climatology,
        latitude_weights=grid.area_weights(), batch_size=batch_size, device=device,
    )  # fmt: skip
    return to_dataset(
        statistics, window=window, normalizer=normalizer, units=units, num_windows=len(windows)
    )


def accumulate_statistics(
    forecasts: Mapping[str, ForecastFunction],
    windows: WindowDataset,
    *,
    window: WindowSpec,
    climatology: Climatology,
    latitude_weights: np.ndarray,
    batch_size: int,
    device: str,
) -> dict[str, Statistics]:
    """Run every forecast over all windows; keep sums only.

    Raises:
        ValueError: as `score_forecasts`.
    """
    if len(windows) == 0:
        raise ValueError("there are no windows to score; expected at least one")
    totals: dict[str, Statistics] = {}
    for batch in _batches(windows, batch_size):
        inputs, targets = batch["inputs"].to(device), batch["targets"].to(device)
        init_time = batch["init_time"]
        clim = climatology_of_hours(climatology, init_time, window.target_hours).to(targets)
        num_leads, num_channels = targets.shape[1:3]
        for name, forecast in forecasts.items():
            with torch.inference_mode():
                predictions = forecast(inputs, init_time.to(device))
            if predictions.shape != targets.shape:
                raise ValueError(
                    f"{name} forecasts shape {tuple(predictions.shape)}; "
                    f"expected {tuple(targets.shape)}, as the targets"
                )
            try:
                sums = compute_statistics(
                    predictions, targets, climatology=clim, latitude_weights=latitude_weights
                )
            except ValueError as error:
                raise ValueError(f"cannot score {name}: {error}") from error
            zero = zero_statistics(num_leads=num_leads, num_channels=num_channels)
            totals[name] = totals.get(name, zero) + sums
    return totals


def to_dataset(
    statistics: Mapping[str, Statistics],
    *,
    window: WindowSpec,
    normalizer: Normalizer,
    units: Sequence[str],
    num_windows: int,
) -> xr.Dataset:
    """Compute all metrics of normalized statistics, by model, in physical units."""
    std = np.asarray(normalizer.std)
    every = [in_physical_units(s, std=std) for s in statistics.values()]
    pooled = [in_physical_units(s.pooled(), std=std)[:, :, 0] for s in statistics.values()]
    normalized = [rmse(s.pooled())[PLAIN, 0].mean() for s in statistics.values()]
    dims = ("model", "metric", "weighting")
    return xr.Dataset(
        {
            "score": (
                (*dims, "channel", "lead_time"),
                np.stack(every).swapaxes(-1, -2),
                {"long_name": "score by lead time; mse in units squared, acc and r2 in 1"},
            ),
            "pooled": (
                (*dims, "channel"),
                np.stack(pooled),
                {"long_name": "score of all lead times pooled"},
            ),
            "normalized_rmse": (
                "model",
                np.array(normalized),
                {
                    "units": "1",
                    "long_name": "plain RMSE / training standard deviation, leads pooled, "
                    "mean over channels",
                },
            ),
            "count": (
                "lead_time",
                np.full(window.num_targets, num_windows),
                {"units": "1", "long_name": "number of windows"},
            ),
        },
        coords={
            "model": list(statistics),
            "metric": list(METRICS),
            "weighting": list(WEIGHTINGS),
            "channel": list(normalizer.channels),
            "lead_time": ("lead_time", list(window.target_hours), {"units": "hours"}),
            "units": ("channel", list(units)),
        },
    )


def _batches(windows: WindowDataset, batch_size: int) -> Iterator[Sample]:
    """Read windows in order."""
    yield from DataLoader(windows, batch_size=batch_size, shuffle=False)
