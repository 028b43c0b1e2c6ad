"""One estimate with its standard error, from which both interval and p-value come."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64
from scipy import special

from met2net.verification.block_bootstrap import BlockBootstrap
from met2net.verification.interval_scales import IDENTITY, Scale

__all__ = ["Estimate"]

_GRID = np.linspace(-0.5, 0.9, 141)  # correlations of neighbouring days that are corrected for


@dataclass(frozen=True, eq=False)
class Estimate:
    """Metrics of a sample, each with a standard error and degrees of freedom.

    (value - truth) / standard_error is taken to follow Student's t, on a scale on which a
    metric's error is close to symmetric. The interval holds every truth that the two-sided test
    does not reject, so that an interval of 95 % without 0 and a p-value below 0.05 are one.

    Attributes:
        value: on the scale.
        standard_error: on the scale; NaN where the sample has too few blocks.
        degrees: of freedom.
        scale: see `interval_scales`.
    """

    value: Float64[np.ndarray, "*rest"]
    standard_error: Float64[np.ndarray, "*rest"]
    degrees: Float64[np.ndarray, "*rest"]
    scale: Scale

    @classmethod
    def of(
        cls,
        rows: Float64[np.ndarray, " row *rest"],
        *,
        bootstrap: BlockBootstrap,
        scale: Scale = IDENTITY,
        is_counted: Bool[np.ndarray, " day"] | None = None,
    ) -> "Estimate":
        """Estimate from a metric of every row of `BlockBootstrap.weights`.

        The variance is that of the resamples, times what they miss: a resample of few blocks
        spreads less than a sample, and days that resemble each other across the edge of a block
        are drawn apart. For a series whose days correlate as an autoregression of first order,
        both are known: see `_correction`. The correlation is that of the days' influence on the
        metric (the change when a day is left out), with its bias taken off.
        Source: Andrews and Monahan 1992, doi:10.2307/2951574 (a kernel's variance corrected
        by an autoregression); Marriott and Pope 1954, doi:10.1093/biomet/41.3-4.390 (the bias).

        Args:
            rows: the metric of the sample, of every resample, and without each day.
            bootstrap: how the rows were drawn.
            scale: where the error is close to symmetric.
            is_counted: days that the metric has, or None for all; the others change nothing.

        Raises:
            ValueError: if there is no row of a day.
        """
        num_days = len(rows) - 1 - bootstrap.num_resamples
        if num_days < 1:
            raise ValueError(
                f"found {len(rows)} rows; expected more than {1 + bootstrap.num_resamples}: the "
                "sample, its resamples, and a row a day"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            on_scale = scale.to_scale(rows)
            value = np.asarray(on_scale[0])
            resampled, without_day = np.split(on_scale[1:], [bootstrap.num_resamples])
            if is_counted is not None:
                without_day = without_day[is_counted]
            num_days = len(without_day)
            if not bootstrap.is_enough(num_days):
                undefined = np.full_like(value, np.nan)
                return cls(value, undefined, undefined, scale)
            correlation = _correlation_of_days(without_day)
            factor, inverse_degrees = (
                np.interp(correlation, _GRID, column)
                for column in _correction(num_days, bootstrap.block_days)
            )
            deviation = resampled.std(axis=0, ddof=1)
        error = np.asarray(deviation * np.sqrt(factor))
        return cls(value, error, np.asarray(1 / inverse_degrees), scale)

    def interval(
        self, confidence: float
    ) -> tuple[Float64[np.ndarray, "*rest"], Float64[np.ndarray, "*rest"]]:
        """Give the low and the high end of a confidence interval, off the scale again."""
        half = special.stdtrit(self.degrees, (1 + confidence) / 2) * self.standard_error
        ends = [self.scale.from_scale(self.value + side * half) for side in (-1, 1)]
        return np.asarray(np.minimum(*ends)), np.asarray(np.maximum(*ends))

    def p_value(self) -> Float64[np.ndarray, "*rest"]:
        """Give the two-sided p-value of a true value of 0 on the scale.

        NaN where there is no test: too few blocks, or a value of 0 on every day.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = self.value / self.standard_error
        return np.asarray(2 * special.stdtr(self.degrees, -abs(statistic)))


def _correlation_of_days(
    without_day: Float64[np.ndarray, " day *rest"],
) -> Float64[np.ndarray, "*rest"]:
    """Give the correlation of a day's influence with the next day's, within `_GRID`.

    Estimates lie below the truth r by (1 + 3 r) / num_days on average, which is put back. A
    metric that no day changes has none: 0.
    """
    num_days = len(without_day)
    influence = without_day - without_day.mean(axis=0)
    squares = np.square(influence).sum(axis=0)
    products = (influence[1:] * influence[:-1]).sum(axis=0)
    found = np.where(squares == 0, 0.0, products / squares)
    return np.asarray(np.clip((num_days * found + 1) / (num_days - 3), _GRID[0], _GRID[-1]))


@lru_cache(maxsize=64)
def _correction(
    num_days: int, block_days: int
) -> tuple[Float64[np.ndarray, " grid"], Float64[np.ndarray, " grid"]]:
    """Give what resamples' variance of a mean lacks, and 1 / degrees, at correlations `_GRID`.

    With N days whose correlation at k days is r^k, N x the variance of their mean is T =
    1 + 2 sum_k (1 - k/N) r^k. Resamples of circular blocks of b days have, on average,
    S = 1 + 2 sum_{k<b} (1 - k/b) ((N - k) r^k + k r^(N-k)) / N - T b/N. The first result is
    T / S; without correlation it is n / (n - 1) for n = N / b blocks.

    The variance of resamples is that of the sums of circular blocks, which has the weights
    p_j = (sin(pi j b / N) / sin(pi j / N))^2 at the frequencies j = 1 ... N - 1 and so D =
    (sum p)^2 / sum p^2 degrees of freedom, close to 1.5 n. That T / S follows from an estimated
    correlation, whose variance is (1 - r^2) / N, leaves fewer:
    1 / degrees = 1 / D + ((d log T/dr)^2 - (d log S/dr)^2) (1 - r^2) / (2 N).
    Source: Satterthwaite 1946, doi:10.2307/3002019 (degrees from the variance of a variance).
    """
    k = np.arange(1, num_days)[:, None]
    true = 1 + 2 * ((1 - k / num_days) * _GRID**k).sum(axis=0)
    k = k[: block_days - 1]
    circular = ((num_days - k) * _GRID**k + k * _GRID ** (num_days - k)) / num_days
    drawn = 1 + 2 * ((1 - k / block_days) * circular).sum(axis=0) - true * block_days / num_days
    slopes = [np.gradient(np.log(x), _GRID) for x in (true, drawn)]
    lost = np.maximum(slopes[0] ** 2 - slopes[1] ** 2, 0) * (1 - _GRID**2) / (2 * num_days)
    angle = np.pi * np.arange(1, num_days) / num_days
    spectral = (np.sin(block_days * angle) / np.sin(angle)) ** 2
    return true / drawn, np.square(spectral).sum() / spectral.sum() ** 2 + lost
