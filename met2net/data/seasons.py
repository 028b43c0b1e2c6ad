"""Seasons of three months, whatever the hemisphere calls them."""

import numpy as np
from jaxtyping import Int64

__all__ = ["SEASONS", "season_of"]

SEASONS = ("DJF", "MAM", "JJA", "SON")


def season_of(times: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Give the place in `SEASONS` of times, dates or hours since 1970; December opens the first."""
    hours = times.astype("datetime64[h]")
    month = hours.astype("datetime64[M]").astype(np.int64) % 12  # 0 is January
    season: Int64[np.ndarray, " n"] = (month + 1) % 12 // 3
    return season
