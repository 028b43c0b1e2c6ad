"""Scales on which a score's error is close to symmetric, so that its interval makes sense."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["COMPLEMENT", "FISHER", "IDENTITY", "LOGARITHM", "Scale"]


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
