"""The season as a number."""

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["DAYS_A_YEAR", "FIRST_DAY", "year_phase"]

DAYS_A_YEAR = 365.2425
"""Of the Gregorian calendar on average."""
FIRST_DAY = int(np.datetime64("2000-01-01", "D").astype(np.int64))
"""Days since 1970 of the turn from which phases count; that of a leap year."""


def year_phase(hours: Int64[Tensor, "*n"]) -> Float64[Tensor, "*n"]:
    """Give the part of the mean Gregorian year that is over, 0 to 1, at hours since 1970.

    It is 0 at the turn to 2000, and within a day of it at that to any other year.
    """
    years = (hours.double() / 24 - FIRST_DAY) / DAYS_A_YEAR
    return years - torch.floor(years)
