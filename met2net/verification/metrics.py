"""Metrics: pure functions of statistics.

Undefined values are NaN: ACC where a forecast or the observations never leave the
climatology (a forecast *of* the climatology has no anomaly to correlate), R2 where the
observations are constant, everything where there was no sample.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from met2net.verification.statistics import PLAIN, Statistics, Sums

__all__ = ["METRICS", "Metric", "acc", "bias", "in_physical_units", "mae", "mse", "r2", "rmse"]


def mse(statistics: Statistics) -> Sums:
    """Mean squared error: mean of w (f - o)^2."""
    return _ratio(statistics.squared_error, statistics.weight)


def rmse(statistics: Statistics) -> Sums:
    """Root of the mean squared error: the root is taken last, of the mean over everything."""
    root: Sums = np.sqrt(mse(statistics))
    return root


def mae(statistics: Statistics) -> Sums:
    """Mean absolute error: mean of w |f - o|."""
    return _ratio(statistics.absolute_error, statistics.weight)


def bias(statistics: Statistics) -> Sums:
    """Mean error: mean of w (f - o); positive where the forecast is too high."""
    return _ratio(statistics.error, statistics.weight)


def acc(statistics: Statistics) -> Sums:
    """Anomaly correlation: sum w f'o' / sqrt(sum w f'^2 * sum w o'^2), not centred.

    Sums run over init times and points together.
    """
    variances = statistics.squared_forecast_anomaly * statistics.squared_observed_anomaly
    return _ratio(statistics.anomaly_product, np.sqrt(variances))


def r2(statistics: Statistics) -> Sums:
    """Explained variance: 1 - sum w (f - o)^2 / sum w (o - mean o)^2.

    One mean of the observations a channel and lead, over init times and points; it is the
    plain mean in both weightings, as in the Nash-Sutcliffe efficiency of package `scores`.
    """
    plain = slice(PLAIN, PLAIN + 1)
    mean = _ratio(statistics.observation[plain], statistics.weight[plain])
    total = (
        statistics.squared_observation
        - 2 * mean * statistics.observation
        + statistics.weight * mean**2
    )
    # Where nothing but rounding is left of the difference, the observations are constant.
    total = np.where(total > 1e-12 * statistics.squared_observation, total, 0.0)
    return 1.0 - _ratio(statistics.squared_error, total)


@dataclass(frozen=True)
class Metric:
    """A metric and how it scales with the unit of its channel.

    Attributes:
        compute: metric of statistics in normalized units.
        power: exponent of the channel's unit in the metric's: 2 for squares, 0 for ratios.
    """

    compute: Callable[[Statistics], Sums]
    power: int


METRICS: Mapping[str, Metric] = {
    "mse": Metric(mse, 2),
    "mae": Metric(mae, 1),
    "rmse": Metric(rmse, 1),
    "bias": Metric(bias, 1),
    "acc": Metric(acc, 0),
    "r2": Metric(r2, 0),
}


def in_physical_units(
    statistics: Statistics, *, std: Float64[np.ndarray, " channel"]
) -> Float64[np.ndarray, "metric weighting lead channel"]:
    """Compute all metrics from normalized statistics, in physical units.

    Exact: errors scale with the standard deviation of the normalization, ratios do not.
    """
    return np.stack([m.compute(statistics) * std**m.power for m in METRICS.values()])


def _ratio(numerator: Sums, denominator: Sums) -> Sums:
    """Divide; NaN where the denominator is zero."""
    undefined = np.full_like(numerator, np.nan)
    ratio: Sums = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return ratio
