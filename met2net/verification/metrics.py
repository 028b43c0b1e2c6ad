"""Metrics: pure functions of statistics, and the scales on which their intervals are taken.

Undefined values are NaN: ACC where a forecast or the observations never leave the
climatology (a forecast *of* the climatology has no anomaly to correlate), PCC where one of
them is constant, R2 where the observations are, skill where the reference has no error,
everything where there was no sample.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from met2net.verification.statistics import PLAIN, Statistics, Sums

__all__ = [
    "COMPLEMENT",
    "FISHER",
    "IDENTITY",
    "LOGARITHM",
    "METRICS",
    "Metric",
    "Scale",
    "acc",
    "acc_centred",
    "bias",
    "in_physical_units",
    "mae",
    "mse",
    "normalized_rmse",
    "pcc",
    "r2",
    "rmse",
    "skill",
    "vector_rmse",
    "wind_pairs",
]


@dataclass(frozen=True)
class Scale:
    """A monotonic function of a score, and its inverse.

    Attributes:
        name: in words.
        to_scale: from the score.
        from_scale: back to the score.
    """

    name: str
    to_scale: Callable[[np.ndarray], np.ndarray]
    from_scale: Callable[[np.ndarray], np.ndarray]


IDENTITY = Scale("as it is", lambda x: x, lambda x: x)
"""For a bias, a difference: any real number."""
LOGARITHM = Scale("logarithm", np.log, np.exp)
"""For errors and their ratios, above 0: ends of intervals stay there."""
FISHER = Scale("Fisher's z", np.arctanh, np.tanh)
"""For correlations, between -1 and 1. Source: Fisher 1915, doi:10.1093/biomet/10.4.507."""
COMPLEMENT = Scale("logarithm of 1 - score", lambda x: np.log(1 - x), lambda x: 1 - np.exp(x))
"""For explained variance, below 1, whose complement is a ratio of squares."""


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

    Sums run over all the sample has, init times and points together.
    """
    variances = statistics.squared_forecast_anomaly * statistics.squared_observed_anomaly
    return _ratio(statistics.anomaly_product, np.sqrt(variances))


def acc_centred(statistics: Statistics) -> Sums:
    """Anomaly correlation of f' and o' less their weighted means over the sample."""
    s = statistics
    return _correlation(
        s.weight,
        first=(s.observed_anomaly + s.error, s.squared_forecast_anomaly),
        second=(s.observed_anomaly, s.squared_observed_anomaly),
        product=s.anomaly_product,
    )


def pcc(statistics: Statistics) -> Sums:
    """Pearson correlation of f and o, less their weighted means over the sample."""
    s = statistics
    # Sum of f^2 from f = o + e: e^2 = f^2 - 2 f o + o^2.
    squared_forecast = s.squared_error + 2 * s.product - s.squared_observation
    return _correlation(
        s.weight,
        first=(s.observation + s.error, squared_forecast),
        second=(s.observation, s.squared_observation),
        product=s.product,
    )


def r2(statistics: Statistics) -> Sums:
    """Explained variance: 1 - sum w (f - o)^2 / sum w (o - mean o)^2.

    One mean of the observations a channel and lead, over init times and points, with the same
    weights as the squares: a forecast of that mean has 0, and none of another constant has
    more. So does scikit-learn (`r2_score` with `sample_weight`); the Nash-Sutcliffe efficiency
    of package `scores` takes the plain mean in its place.
    """
    mean = _ratio(statistics.observation, statistics.weight)
    total = statistics.squared_observation - statistics.weight * mean**2
    return 1.0 - _ratio(
        statistics.squared_error, _above_rounding(total, statistics.squared_observation)
    )


def normalized_rmse(
    statistics: Statistics, *, scale: Float64[np.ndarray, " channel"]
) -> Float64[np.ndarray, "*group"]:
    """Plain RMSE over the training split's standard deviation: one number for all channels.

    Lead times are pooled before the root is taken, channels averaged after it.

    Args:
        statistics: of normalized fields.
        scale: what channels were divided by, over their standard deviation in the training
            split: 1 where that is what they were divided by.
    """
    by_channel = rmse(statistics.pooled())[..., PLAIN, 0, :] * scale
    return np.asarray(by_channel.mean(axis=-1))


def skill(statistics: Statistics, reference: Statistics) -> Sums:
    """Skill against a reference: 1 - MSE / MSE of the reference; 1 is perfect, 0 no better."""
    return 1.0 - _ratio(mse(statistics), mse(reference))


def vector_rmse(
    statistics: Statistics, pairs: Sequence[tuple[int, int]], *, std: Float64[np.ndarray, " c"]
) -> Float64[np.ndarray, "*group weighting lead pair"]:
    """Root of the mean squared length of the error of vectors: sqrt(MSE of u + MSE of v).

    Args:
        statistics: of normalized fields.
        pairs: positions of the two components among the channels.
        std: what the channels were divided by; gives the result their units.
    """
    squared = mse(statistics) * std**2
    lengths = [squared[..., u] + squared[..., v] for u, v in pairs]
    root: np.ndarray = np.sqrt(np.stack(lengths, axis=-1))
    return root


def wind_pairs(channels: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Find winds among the channels: `wind10` for `u10` and `v10`, `wind850` for `u850`, ..."""
    places = {label: place for place, label in enumerate(channels)}
    return {
        f"wind{label[1:]}": (place, places[f"v{label[1:]}"])
        for label, place in places.items()
        if label[0] == "u" and label[1:].isdigit() and f"v{label[1:]}" in places
    }


@dataclass(frozen=True)
class Metric:
    """A metric and how it scales with the unit of its channel.

    Attributes:
        compute: metric of statistics in normalized units.
        power: exponent of the channel's unit in the metric's: 2 for squares, 0 for ratios.
        scale: on which intervals are taken.
    """

    compute: Callable[[Statistics], Sums]
    power: int
    scale: Scale


METRICS: dict[str, Metric] = {
    "mse": Metric(mse, 2, LOGARITHM),
    "mae": Metric(mae, 1, LOGARITHM),
    "rmse": Metric(rmse, 1, LOGARITHM),
    "bias": Metric(bias, 1, IDENTITY),
    "acc": Metric(acc, 0, FISHER),
    "r2": Metric(r2, 0, COMPLEMENT),
    "acc_centred": Metric(acc_centred, 0, FISHER),
    "pcc": Metric(pcc, 0, FISHER),
}
"""By name; `met2net.verification.own_metrics.register_metric` adds to them."""


def in_physical_units(
    statistics: Statistics, *, std: Float64[np.ndarray, " channel"]
) -> Float64[np.ndarray, "metric *group weighting lead channel"]:
    """Compute all metrics from normalized statistics, in physical units.

    Exact: errors scale with the standard deviation of the normalization, ratios do not.
    """
    return np.stack([m.compute(statistics) * std**m.power for m in METRICS.values()])


def _correlation(
    weight: Sums, *, first: tuple[Sums, Sums], second: tuple[Sums, Sums], product: Sums
) -> Sums:
    """Correlate two fields from their weights, sums, sums of squares and sum of products."""
    means = [_ratio(total, weight) for total, _ in (first, second)]
    variances = [
        _above_rounding(squares - weight * mean**2, squares)
        for (_, squares), mean in zip((first, second), means, strict=True)
    ]
    covariance = product - weight * means[0] * means[1]
    return _ratio(covariance, np.sqrt(variances[0] * variances[1]))


def _above_rounding(variance: Sums, squares: Sums) -> Sums:
    """Give zero where nothing but rounding is left of a difference: the field is constant."""
    kept: Sums = np.where(variance > 1e-12 * squares, variance, 0.0)
    return kept


def _ratio(numerator: Sums, denominator: Sums) -> Sums:
    """Divide; NaN where the denominator is zero."""
    undefined = np.full_like(numerator, np.nan)
    ratio: Sums = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
    return ratio
