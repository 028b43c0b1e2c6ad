"""The structural similarity (SSIM) of fields, fast in double precision, in one of two windows."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

__all__ = ["GAUSSIAN", "UNIFORM", "Window", "structural_similarity"]

_K1, _K2 = 0.01, 0.03


@dataclass(frozen=True)
class Window:
    """What means, variances and covariances are taken over around a point.

    Attributes:
        taps: weights along a side, of sum 1; the window is their product with themselves.
        has_edges: also about points near the edges, beyond which fields are mirrored; else of
            windows inside the field alone.
        is_sample: variances as of a sample, divided by the number of points less 1.
    """

    taps: tuple[float, ...]
    has_edges: bool
    is_sample: bool

    @property
    def size(self) -> int:
        """Points on a side."""
        return len(self.taps)


def _gaussian(size: int, *, deviation: float) -> tuple[float, ...]:
    taps = np.exp(-0.5 * ((np.arange(size) - size // 2) / deviation) ** 2)
    return tuple(map(float, taps / taps.sum()))


GAUSSIAN = Window(_gaussian(11, deviation=1.5), has_edges=True, is_sample=False)
"""11 x 11 points. Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861."""
UNIFORM = Window((1 / 7,) * 7, has_edges=False, is_sample=True)
"""7 x 7 points, the default of scikit-image, behind published tables of image sequences."""


def structural_similarity(
    first: Float[Tensor, "n h w"],
    second: Float[Tensor, "n h w"],
    *,
    window: Window = GAUSSIAN,
    data_range: float = 1.0,
) -> Float[Tensor, " n"]:
    """Give the SSIM of pairs of fields, mean over points; K1 = 0.01, K2 = 0.03.

    A window is the product of one along rows and one along columns: two matrix products, where
    libraries convolve with all its taps.
    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861.

    Args:
        first: fields.
        second: fields to compare them with.
        window: see `Window`.
        data_range: that values are taken to range over.

    Raises:
        ValueError: if a side is shorter than the window.
    """
    height, width = first.shape[-2:]
    if min(height, width) < window.size:
        raise ValueError(
            f"fields have {height} x {width} points; expected at least {window.size} each"
        )
    rows, columns = (torch.from_numpy(_smoothing(n, window)).to(first) for n in (height, width))

    def smooth(fields: Tensor) -> Tensor:
        return einsum(rows, fields, columns, "i h, n h w, j w -> n i j")

    mean_1, mean_2 = smooth(first), smooth(second)
    points = window.size**2
    factor = points / (points - 1) if window.is_sample else 1.0
    # A variance is not negative, whatever rounding says.
    variance_1 = factor * (smooth(first**2) - mean_1**2).clamp(min=0)
    variance_2 = factor * (smooth(second**2) - mean_2**2).clamp(min=0)
    covariance = factor * (smooth(first * second) - mean_1 * mean_2)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    similarity = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2))
    return similarity.mean(dim=(-2, -1))


@lru_cache(maxsize=16)
def _smoothing(size: int, window: Window) -> Float[np.ndarray, "windows size"]:
    """Give the matrix that smooths along an axis; beyond its ends the field is mirrored."""
    axis = np.eye(size)
    if window.has_edges:
        half = window.size // 2
        axis = np.pad(axis, ((half, half), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(axis, window.size, axis=0)
    return np.asarray(windows @ np.array(window.taps))
