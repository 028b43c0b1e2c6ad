"""Block bootstrap over init times: how often every day is drawn, for metrics of sums.

Forecasts of neighbouring init times resemble each other, so blocks of days are drawn, not
single forecasts. All models are drawn alike, which pairs them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

__all__ = ["BlockBootstrap", "resampled_sums"]

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
