"""Diebold-Mariano test: do two forecasts differ in accuracy, given errors that persist?"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy import special

__all__ = ["DieboldMariano", "diebold_mariano"]


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
