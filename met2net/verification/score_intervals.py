"""Confidence intervals of all scores, and tests against the best yardstick."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from met2net.data.seasons import SEASONS, season_of
from met2net.verification.block_bootstrap import BlockBootstrap, Estimate, resampled_sums
from met2net.verification.group_intervals import DailySums, grouped_rmse
from met2net.verification.metrics import LOGARITHM, METRICS, in_physical_units, normalized_rmse
from met2net.verification.paired_tests import error_margins, loss_tests, losses_of
from met2net.verification.statistics import Statistics

__all__ = ["StatisticsReader", "score_intervals"]

# Model and place of a lead time to, part by part in time order: init times (hours since the
# epoch) and their statistics of that lead time.
_Parts = Iterator[
    tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, "n statistic weighting channel"]]
]
StatisticsReader = Callable[[str, int], _Parts]

_Bounds = tuple[np.ndarray, np.ndarray]


def score_intervals(
    read: StatisticsReader,
    *,
    scores: xr.Dataset,
    init_time: Int64[np.ndarray, " n"],
    std: Float64[np.ndarray, " channel"],
    training_std: Float64[np.ndarray, " channel"],
    bootstrap: BlockBootstrap,
    yardsticks: Sequence[str],
) -> xr.Dataset:
    """Resample init times and give the spread of every score.

    Args:
        read: gives statistics by init time, as often as asked.
        scores: made from the same init times.
        init_time: all of them, hours since the epoch.
        std: what channels were divided by; to physical units.
        training_std: standard deviation of the training split, one a channel, in its units.
        bootstrap: how to resample. All models are resampled alike, which pairs them.
        yardsticks: the models to compare with: with the one of smallest `normalized_rmse`.

    Returns:
        `score_low`, `score_high`, `pooled_low`, `pooled_high`, `normalized_rmse_low` and
        `normalized_rmse_high`; `difference_low(model)`, `difference_high(model)` and
        `p_value(model)`: of normalized RMSE less the best yardstick's, NaN for itself. All
        NaN where the period has fewer blocks than an interval needs. And every model against
        every other: what `paired_tests` gives. `season_rmse`, `init_hour_rmse` with ends:
        `group_intervals`.
    """
    days, day_of_time = np.unique(init_time // 24, return_inverse=True)
    weights = bootstrap.weights(len(days))
    scale = std / training_std
    models = [str(name) for name in scores["model"].values]
    by_lead: dict[str, _Bounds] = {}
    pooled: dict[str, _Bounds] = {}
    normalized: dict[str, np.ndarray] = {}  # of every row of weights
    losses = {m: np.full((scores.sizes["lead_time"], len(init_time)), np.nan) for m in models}
    by_season = {m: DailySums(num_groups=len(SEASONS)) for m in models}
    by_hour = {m: DailySums(num_groups=24) for m in models}
    for model in models:
        leads, total = [], None
        for lead in range(scores.sizes["lead_time"]):
            parts = _noted(
                read(model, lead),
                init_time,
                scale=scale,
                losses=losses[model][lead],
                by_season=by_season[model],
                by_hour=by_hour[model],
            )
            parts = ((day_of_time[places], sums) for places, sums in parts)
            sums = np.moveaxis(resampled_sums(parts, weights), 1, 0)
            statistics = Statistics.of(sums[..., None, :])  # row weighting lead channel
            leads.append(_metric_bounds(statistics, std=std, bootstrap=bootstrap))
            total = statistics if total is None else total + statistics
        assert total is not None
        by_lead[model] = _bounds(np.concatenate(ends, axis=-2) for ends in zip(*leads, strict=True))
        pooled[model] = _metric_bounds(total, std=std, bootstrap=bootstrap)
        normalized[model] = normalized_rmse(total, scale=scale)
    result = xr.Dataset(coords={name: scores[name] for name in scores["score"].dims})
    share = f"{bootstrap.confidence:.0%} confidence interval"
    for name, bounds in (("score", by_lead), ("pooled", pooled)):
        for end, values in zip(("low", "high"), zip(*bounds.values(), strict=True), strict=True):
            # metric weighting lead channel -> metric weighting channel [lead]
            stacked = np.stack(values).swapaxes(-1, -2).reshape(scores[name].shape)
            attrs = {"long_name": f"{end} end of the {share} of {name}"}
            result[f"{name}_{end}"] = (scores[name].dims, stacked, attrs)
    lead_hours = [int(hours) for hours in scores["lead_time"].values]
    channels = [str(label) for label in scores["channel"].values]
    by_group = partial(grouped_rmse, channels=channels, std=std, bootstrap=bootstrap)
    return xr.merge(
        [
            result,
            _comparison(normalized, scores=scores, bootstrap=bootstrap, yardsticks=yardsticks),
            error_margins(normalized, bootstrap=bootstrap),
            loss_tests(losses, init_time=init_time, lead_hours=lead_hours),
            by_group(by_season, name="season", labels=SEASONS),
            by_group(by_hour, name="init_hour", labels=range(24)),
        ]
    ).assign_attrs(
        bootstrap=f"blocks of {bootstrap.block_days} days, {bootstrap.num_resamples} resamples, "
        f"seed {bootstrap.seed}, {share}s"
    )


def _noted(
    parts: _Parts,
    init_time: np.ndarray,
    *,
    scale: np.ndarray,
    losses: np.ndarray,
    by_season: DailySums,
    by_hour: DailySums,
) -> _Parts:
    """Pass sums on with the places of their init times; note what else is made of them."""
    for hours, sums in parts:
        places = np.searchsorted(init_time, hours)
        losses[places] = losses_of(sums, scale=scale)
        by_season.add(hours, season_of(hours), sums)
        by_hour.add(hours, hours % 24, sums)
        yield places, sums


def _comparison(
    normalized: dict[str, np.ndarray],
    *,
    scores: xr.Dataset,
    bootstrap: BlockBootstrap,
    yardsticks: Sequence[str],
) -> xr.Dataset:
    """Give intervals of normalized RMSE and its difference from the best yardstick's."""
    estimates = {name: scores["normalized_rmse"].sel(model=name).item() for name in normalized}
    known = [name for name in yardsticks if name in estimates]
    best = min(known, key=lambda name: estimates[name], default=None)
    columns: dict[str, list[float]] = {
        name: [] for name in ("normalized_rmse_low", "normalized_rmse_high", "difference_low",
                              "difference_high", "p_value")
    }  # fmt: skip
    for model, rows in normalized.items():
        error = Estimate.of(rows, bootstrap=bootstrap, scale=LOGARITHM)
        row = [end.item() for end in error.interval(bootstrap.confidence)] + 3 * [np.nan]
        if best is not None and model != best:
            difference = Estimate.of(rows - normalized[best], bootstrap=bootstrap)
            ends = difference.interval(bootstrap.confidence)
            row[2:] = [*(end.item() for end in ends), difference.p_value().item()]
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    what = {"p_value": "two-sided p-value of no difference in normalized RMSE, paired"}
    attrs = {"units": "1", "compared_to": best or ""}
    return xr.Dataset(
        {
            name: ("model", np.array(values), {"long_name": what.get(name, name.replace("_", " ")),
                                               **attrs})
            for name, values in columns.items()
        },
        coords={"model": scores["model"]},
    )  # fmt: skip


def _metric_bounds(
    statistics: Statistics, *, std: Float64[np.ndarray, " channel"], bootstrap: BlockBootstrap
) -> _Bounds:
    """Give the ends of the intervals of all metrics: metric weighting lead channel."""
    rows = in_physical_units(statistics, std=std)  # metric row weighting lead channel
    intervals = [
        Estimate.of(of_metric, bootstrap=bootstrap, scale=metric.scale).interval(
            bootstrap.confidence
        )
        for of_metric, metric in zip(rows, METRICS.values(), strict=True)
    ]
    low, high = zip(*intervals, strict=True)
    return np.stack(low), np.stack(high)


def _bounds(ends: Iterator[np.ndarray]) -> _Bounds:
    low, high = ends
    return low, high
