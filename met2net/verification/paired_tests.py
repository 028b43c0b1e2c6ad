"""Every model against every other on the same init times: margins, Diebold-Mariano tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64
from scipy import special

from met2net.verification.block_bootstrap import BlockBootstrap, Estimate
from met2net.verification.metrics import LOGARITHM
from met2net.verification.statistics import PLAIN, STATISTICS

__all__ = [
    "DieboldMariano",
    "diebold_mariano",
    "error_margins",
    "loss_tests",
    "losses_of",
    "paired_test",
]

_SQUARED_ERROR, _WEIGHT = STATISTICS.index("squared_error"), STATISTICS.index("weight")


def losses_of(
    sums: Float64[np.ndarray, "n statistic weighting channel"],
    *,
    scale: Float64[np.ndarray, " channel"],
) -> Float64[np.ndarray, " n"]:
    """Give the loss of every init time: the mean over channels of its plain normalized MSE.

    Args:
        sums: of normalized fields.
        scale: see `metrics.normalized_rmse`.
    """
    squared = sums[:, _SQUARED_ERROR, PLAIN] / sums[:, _WEIGHT, PLAIN] * scale**2
    losses: Float64[np.ndarray, " n"] = squared.mean(axis=-1)
    return losses


def error_margins(
    rows: Mapping[str, Float64[np.ndarray, " row"]], *, bootstrap: BlockBootstrap
) -> xr.Dataset:
    """Give how much lower each model's error is than each other's, with intervals.

    Args:
        rows: by model, the error (as the normalized RMSE) of every row of
            `BlockBootstrap.weights`. All models have the same rows, so what makes a week hard
            for both cancels.
        bootstrap: how the rows were drawn.

    Returns:
        `margin(model, other_model)`, 1 - error of the model / error of the other: positive
        where the model is better; `margin_low`, `margin_high`. NaN where the other model has
        no error, and intervals also where one of the two has none in some resample.
    """
    models = list(rows)
    shape = (len(models), len(models))
    margin, low, high = (np.full(shape, np.nan) for _ in range(3))
    for row, model in enumerate(models):
        for column, other in enumerate(models):
            if model == other or rows[other][0] == 0:
                continue
            margin[row, column] = 1 - rows[model][0] / rows[other][0]
            if rows[model].all() and rows[other].all():
                ratio = Estimate.of(rows[model] / rows[other], bootstrap=bootstrap, scale=LOGARITHM)
                ends = ratio.interval(bootstrap.confidence)
                high[row, column], low[row, column] = (1 - end.item() for end in ends)
    dims = ("model", "other_model")
    what = "1 - normalized RMSE / that of the other model"
    return xr.Dataset(
        {
            "margin": (dims, margin, {"units": "1", "long_name": what}),
            "margin_low": (dims, low, {"units": "1", "long_name": f"low end of {what}"}),
            "margin_high": (dims, high, {"units": "1", "long_name": f"high end of {what}"}),
        },
        coords={"model": models, "other_model": models},
    )


def loss_tests(
    losses: Mapping[str, Float64[np.ndarray, "lead n"]],
    *,
    init_time: Int64[np.ndarray, " n"],
    lead_hours: Sequence[int],
) -> xr.Dataset:
    """Test every pair of models after Diebold and Mariano.

    Forecasts with a lead of h steps of the series share errors over h steps, which is how far
    autocovariances count; for all leads together, the longest lead. Steps are those of the
    init times; where some are missing, those beside a gap count as neighbours.

    Args:
        losses: by model, from `losses_of`.
        init_time: hours since the epoch, increasing.
        lead_hours: one a lead.

    Returns:
        `dm_statistic(model, other_model, lead_time)`, negative where the model is better,
        `dm_p_value`, two-sided, and the same of losses averaged over leads,
        `pooled_dm_statistic(model, other_model)`, `pooled_dm_p_value`. NaN where there is no
        test: equal losses, or a series too short for its lead.
    """
    models, num_leads = list(losses), len(lead_hours)
    step = int(np.diff(init_time).min()) if len(init_time) > 1 else 1
    horizons = [max(1, round(hours / step)) for hours in lead_hours]
    # The last column is for all leads together.
    statistic = np.full((len(models), len(models), num_leads + 1), np.nan)
    p_value = np.full_like(statistic, np.nan)
    every = {m: np.vstack([x, x.mean(axis=0)]) for m, x in losses.items()}
    for row, model in enumerate(models):
        for column, other in enumerate(models[:row]):
            for place, horizon in enumerate([*horizons, horizons[-1]]):
                found = paired_test(every[model][place], every[other][place], horizon=horizon)
                statistic[row, column, place], p_value[row, column, place] = found
                statistic[column, row, place], p_value[column, row, place] = -found[0], found[1]
    dims = ("model", "other_model", "lead_time")
    named = {"statistic": statistic, "p_value": p_value}
    return xr.Dataset(
        {f"dm_{name}": (dims, table[..., :-1], {"units": "1"}) for name, table in named.items()}
        | {
            f"pooled_dm_{name}": (dims[:-1], table[..., -1], {"units": "1"})
            for name, table in named.items()
        },
        coords={"model": models, "other_model": models, "lead_time": list(lead_hours)},
    )


def paired_test(
    first: Float64[np.ndarray, " n"], second: Float64[np.ndarray, " n"], *, horizon: int
) -> tuple[float, float]:
    """Test two series of losses after Diebold and Mariano.

    Args:
        first: losses of one model, in time order.
        second: of the other, at the same times.
        horizon: steps of the series over which errors are shared.

    Returns:
        Statistic, negative where the first is better, and two-sided p-value; both NaN where
        there is no test: equal losses, or a series too short for its horizon.
    """
    if not 1 <= horizon < len(first):
        return np.nan, np.nan
    try:
        result = diebold_mariano(first, second, horizon=horizon)
    except ValueError:  # the variance of the difference is not positive
        return np.nan, np.nan
    return result.statistic, result.p_value


@dataclass(frozen=True)
class DieboldMariano:
    """Result of a test.

    Attributes:
        mean_difference: mean loss of the first forecast less that of the second.
        statistic: mean difference over its standard error; negative where the first is better.
        p_value: two-sided, from Student's t with one degree of freedom fewer than losses.
    """

    mean_difference: float
    statistic: float
    p_value: float


def diebold_mariano(
    first: Float64[np.ndarray, " n"], second: Float64[np.ndarray, " m"], *, horizon: int
) -> DieboldMariano:
    """Test the losses of two forecasts of the same times.

    The variance of the mean difference counts autocovariances at lags below `horizon`, and
    the statistic is corrected for short series and compared with Student's t.
    Source: Harvey, Leybourne and Newbold 1997, doi:10.1016/S0169-2070(96)00719-4.

    Args:
        first: a loss a time, as the squared error, in time order, evenly spaced.
        second: the same of the other forecast.
        horizon: lead time in steps of the series: differences further apart than this are
            taken as unrelated.

    Raises:
        ValueError: if lengths differ, the horizon is out of range, or the variance is not
            positive (the two are equal, or the horizon is too long for the series).
    """
    if len(first) != len(second):
        raise ValueError(f"found {len(first)} and {len(second)} losses; expected as many")
    n = len(first)
    if not 1 <= horizon < n:
        raise ValueError(f"horizon is {horizon}; expected 1 to {n - 1} for {n} losses")
    difference = first - second
    mean = float(difference.mean())
    deviation = difference - mean
    covariances = [float(deviation[lag:] @ deviation[: n - lag]) / n for lag in range(horizon)]
    variance = (covariances[0] + 2 * sum(covariances[1:])) / n
    if variance <= 0:
        raise ValueError(
            f"variance of the mean difference is {variance:g}; expected a positive number: the "
            "losses are equal, or the horizon is too long for the series"
        )
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = mean / math.sqrt(variance) * math.sqrt(correction)
    p_value = 2 * float(special.stdtr(n - 1, -abs(statistic)))
    return DieboldMariano(mean, statistic, p_value)
