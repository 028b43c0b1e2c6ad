"""Block bootstrap over init times, and the intervals and p-values that come from it.

Forecasts of neighbouring init times resemble each other, so blocks of days are drawn, not
single forecasts. All models are drawn alike, which pairs them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy import special

from met2net.verification.metrics import IDENTITY, Scale

__all__ = ["BlockBootstrap", "Estimate", "resampled_sums"]

_FEWEST_BLOCKS = 5  # with fewer, resamples say next to nothing about the spread


@dataclass(frozen=True)
class BlockBootstrap:
    """How init times are drawn.

    Attributes:
        block_days: length of a block, in days that have an init time (UTC).
        num_resamples: how often all is drawn again.
        confidence: of the intervals.
        seed: of the draws.

    Raises:
        ValueError: if a value is out of range.
    """

    block_days: int = 10
    num_resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.block_days < 1:
            raise ValueError(f"block_days is {self.block_days}; expected at least 1")
        if self.num_resamples < 100:
            raise ValueError(f"num_resamples is {self.num_resamples}; expected at least 100")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}; expected between 0 and 1")

    def num_blocks(self, num_days: int) -> float:
        """How many blocks a sample is long."""
        return num_days / self.block_days

    def is_enough(self, num_days: int) -> bool:
        """Tell whether a sample has enough blocks for an interval."""
        return self.num_blocks(num_days) >= _FEWEST_BLOCKS

    def draw(self, num_days: int) -> Int64[np.ndarray, "resample day"]:
        """Count how often each resample holds each day.

        Blocks start on any day and go round the end (circular blocks), so that every day is
        drawn as often as any other; a resample is as long as the sample, its last block cut.
        Source: Politis and Romano 1992, "A circular block-resampling procedure".
        """
        length = min(self.block_days, num_days)
        num = -(-num_days // length)
        rng = np.random.default_rng(self.seed)
        starts = rng.integers(num_days, size=(self.num_resamples, num))
        days = (starts[:, :, None] + np.arange(length)) % num_days
        days = days.reshape(self.num_resamples, -1)[:, :num_days]
        rows = np.arange(self.num_resamples)[:, None] * num_days
        size = self.num_resamples * num_days
        counts: Int64[np.ndarray, "resample day"] = np.bincount(
            (rows + days).ravel(), minlength=size
        ).reshape(self.num_resamples, num_days)
        return counts

    def weights(self, num_days: int) -> Float64[np.ndarray, "row day"]:
        """Give how much every day counts in what an `Estimate` is made from.

        The rows: the sample itself, every resample, and the sample without each day.
        """
        sample = np.ones((1, num_days))
        return np.concatenate([sample, self.draw(num_days), sample - np.eye(num_days)])


def resampled_sums(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], weights: Float64[np.ndarray, "row day"]
) -> Float64[np.ndarray, " row *sums"]:
    """Sum every row of weights, part by part, so that the sample need not be in memory.

    Args:
        parts: for some init times each, the days (places among the days of the sample) and
            the sums, a row an init time.
        weights: from `BlockBootstrap.weights`.

    Raises:
        ValueError: if there are no parts.
    """
    totals: np.ndarray | None = None
    for days, sums in parts:
        occurring, place = np.unique(days, return_inverse=True)
        indicator = (place == np.arange(len(occurring))[:, None]).astype(float)
        by_day = indicator @ sums.reshape(len(sums), -1)
        drawn = weights[:, occurring] @ by_day
        drawn = drawn.reshape(len(weights), *sums.shape[1:])
        totals = drawn if totals is None else totals + drawn
    if totals is None:
        raise ValueError("there are no sums to resample; expected at least one init time")
    return totals


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
        scale: see `metrics.Scale`.
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
