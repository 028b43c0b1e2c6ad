"""Score forecasts on windows: one dataset of metrics, streamed in constant memory."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float64
from torch.utils.data import Dataset

from met2net.data.channel_roles import forecast_channels, forecast_places
from met2net.data.climatology import Climatology
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import Sample, WindowDataset, WindowSpec
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.verification.metrics import METRICS, in_physical_units, normalized_rmse
from met2net.verification.regions import Region, everywhere, point_weights
from met2net.verification.score_breakdowns import ScoreSums, breakdowns
from met2net.verification.score_stream import ScoredBatch, score_stream
from met2net.verification.statistics import WEIGHTINGS, Statistics

__all__ = ["accumulate_sums", "score_windows", "to_dataset"]


def score_windows(
    forecasts: Mapping[str, ForecastFunction],
    windows: WindowDataset,
    *,
    window: WindowSpec,
    climatology: Climatology,
    grid: Grid,
    normalizer: Normalizer,
    training_std: Float64[np.ndarray, " c"],
    units: Sequence[str],
    batch_size: int = 64,
    device: str = "cpu",
    regions: Sequence[Region] = (),
    watchers: Sequence[Callable[[ScoredBatch], None]] = (),
    valid: ValidPoints | None = None,
) -> xr.Dataset:
    """Score several forecasts on the same windows; channels that are only seen are not scored.

    Args:
        forecasts: name -> forecast function, in normalized units.
        windows: every one is scored.
        window: the offsets that `windows` were cut with.
        climatology: normalized; anomalies for ACC are taken from it.
        grid: its areas weigh the points.
        normalizer: all channels, and the scale from normalized to physical units.
        training_std: standard deviation of the training split, one a channel, in its units.
        units: one a channel.
        batch_size: windows at once; it does not change the scores.
        device: where the forecasts run.
        regions: parts of the field that are scored too.
        watchers: called with every batch of every model.
        valid: points with a value, the others do not count; None: all of them.

    Returns:
        `score(model, metric, weighting, channel, lead_time)` and
        `pooled(model, metric, weighting, channel)` in physical units,
        `normalized_rmse(model)`, `count(lead_time)` and `units(channel)`, and what
        `score_breakdowns.breakdowns` gives.

    Raises:
        ValueError: if there are no windows, or a forecast has the wrong shape or a value
            that is not finite.
    """
    places = forecast_places(window, normalizer.channels)
    sums = accumulate_sums(
        forecasts, windows, window=window, climatology=climatology, grid=grid,
        batch_size=batch_size, device=device, regions=regions, watchers=watchers, valid=valid,
        places=None if window.input_only is None else places,
    )  # fmt: skip
    if not sums.by_model:
        raise ValueError("there are no windows to score; expected at least one")
    normalizer = normalizer.of_channels(forecast_channels(window, normalizer.channels))
    scores = to_dataset(
        sums.totals(), window=window, normalizer=normalizer, training_std=training_std[places],
        units=[units[place] for place in places], num_windows=len(windows),
    )  # fmt: skip
    names = ["all", *(region.name for region in regions)]
    return scores.merge(breakdowns(sums, scores=scores, regions=names, normalizer=normalizer))


def accumulate_sums(
    forecasts: Mapping[str, ForecastFunction],
    windows: Dataset[Sample],
    *,
    window: WindowSpec,
    climatology: Climatology,
    grid: Grid,
    batch_size: int = 64,
    device: str = "cpu",
    regions: Sequence[Region] = (),
    watchers: Sequence[Callable[[ScoredBatch], None]] = (),
    valid: ValidPoints | None = None,
    places: Sequence[int] | None = None,
) -> ScoreSums:
    """Run every forecast over all windows, or over a rank's `Subset`; keep sums only.

    Arguments are those of `score_windows`, and of `score_stream` the places of the channels.

    Raises:
        ValueError: if a forecast has the wrong shape or a value that is not finite.
    """
    sums = ScoreSums()
    batches = score_stream(
        forecasts, windows, window=window, climatology=climatology,
        weights=point_weights(grid, (everywhere(grid), *regions)), batch_size=batch_size,
        device=device, valid=valid, places=places,
    )  # fmt: skip
    for batch in batches:
        for watch in (sums.add, *watchers):
            watch(batch)
    return sums


def to_dataset(
    statistics: Mapping[str, Statistics],
    *,
    window: WindowSpec,
    normalizer: Normalizer,
    training_std: Float64[np.ndarray, " c"],
    units: Sequence[str],
    num_windows: int,
) -> xr.Dataset:
    """Compute all metrics of normalized statistics, by model, in physical units."""
    std = np.asarray(normalizer.std)
    every = [in_physical_units(s, std=std) for s in statistics.values()]
    pooled = [in_physical_units(s.pooled(), std=std)[:, :, 0] for s in statistics.values()]
    normalized = [normalized_rmse(s, scale=std / training_std) for s in statistics.values()]
    dims = ("model", "metric", "weighting")
    return xr.Dataset(
        {
            "score": (
                (*dims, "channel", "lead_time"),
                np.stack(every).swapaxes(-1, -2),
                {"long_name": "score by lead time; mse in units squared, correlations and r2 in 1"},
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
