"""Block bootstrap over init times: intervals and paired tests for metrics of sums.

Forecasts of neighbouring init times resemble each other, so blocks of days are drawn, not
single forecasts. All models are drawn alike, which pairs them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float64, Int64

__all__ = ["BlockBootstrap", "interval", "p_value", "resampled_sums"]

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


def resampled_sums(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], counts: Int64[np.ndarray, "resample day"]
) -> Float64[np.ndarray, " resample *sums"]:
    """Sum every resample, part by part, so that the sample need not be in memory.

    Args:
        parts: for some init times each, the days (places among the days of the sample) and
            the sums, a row an init time.
        counts: from `BlockBootstrap.draw`.

    Raises:
        ValueError: if there are no parts.
    """
    totals: np.ndarray | None = None
    for days, sums in parts:
        occurring, place = np.unique(days, return_inverse=True)
        indicator = (place == np.arange(len(occurring))[:, None]).astype(float)
        by_day = indicator @ sums.reshape(len(sums), -1)
        drawn = counts[:, occurring].astype(float) @ by_day
        drawn = drawn.reshape(len(counts), *sums.shape[1:])
        totals = drawn if totals is None else totals + drawn
    if totals is None:
        raise ValueError("there are no sums to resample; expected at least one init time")
    return totals


def interval(
    resampled: Float64[np.ndarray, " resample *rest"],
    *,
    num_blocks: float,
    confidence: float,
) -> tuple[Float64[np.ndarray, "*rest"], Float64[np.ndarray, "*rest"]]:
    """Give the ends of a confidence interval from a metric of every resample.

    Percentiles, a little further out than the confidence says: resamples of n blocks spread
    less than samples, by sqrt((n - 1) / n), and their spread is itself an estimate, hence
    Student's t with n - 1 degrees of freedom in place of the normal distribution.
    Source: Hesterberg 2015, doi:10.1080/00031305.2015.1089789 ("expanded percentile").

    Raises:
        ValueError: if there are not more than one block.
    """
    if num_blocks <= 1:
        raise ValueError(f"the sample is {num_blocks:g} blocks long; expected more than 1")
    quantile = _student_quantile((1 + confidence) / 2, degrees=num_blocks - 1)
    tail = NormalDist().cdf(-quantile * math.sqrt(num_blocks / (num_blocks - 1)))
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return np.asarray(low), np.asarray(high)


def p_value(differences: Float64[np.ndarray, " resample"]) -> float:
    """Give the two-sided p-value of no difference from a paired difference of every resample.

    Twice the share of resamples on the rarer side of zero, themselves counted in, so that it
    is never 0.
    """
    below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(differences)))


def _student_quantile(probability: float, *, degrees: float) -> float:
    """Give a quantile of Student's t. Source: Abramowitz and Stegun 1972, 26.7.5."""
    x, n = NormalDist().inv_cdf(probability), degrees
    return (
        x
        + (x**3 + x) / (4 * n)
        + (5 * x**5 + 16 * x**3 + 3 * x) / (96 * n**2)
        + (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / (384 * n**3)
    )
