"""The structural similarity (SSIM) of fields, fast in double precision."""

from functools import cache

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

__all__ = ["WINDOW", "structural_similarity"]

WINDOW = 11
"""Points on a side of the window."""
_DEVIATION = 1.5  # of the Gaussian [points]
_K1, _K2 = 0.01, 0.03


def structural_similarity(
    first: Float[Tensor, "n h w"], second: Float[Tensor, "n h w"]
) -> Float[Tensor, " n"]:
    """Give the SSIM of pairs of fields whose values range over 1, mean over all points.

    The window is a Gaussian of 11 x 11 points, deviation 1.5; K1 = 0.01, K2 = 0.03; fields are
    mirrored at their edges. A Gaussian window is the product of one along rows and one along
    columns: two matrix products, where libraries convolve with 121 taps.
    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861.

    Raises:
        ValueError: if a side is shorter than the window.
    """
    height, width = first.shape[-2:]
    if min(height, width) < WINDOW:
        raise ValueError(f"fields have {height} x {width} points; expected at least {WINDOW} each")
    rows, columns = (torch.from_numpy(_smoothing(size)).to(first) for size in (height, width))

    def smooth(fields: Tensor) -> Tensor:
        return einsum(rows, fields, columns, "i h, n h w, j w -> n i j")

    mean_1, mean_2 = smooth(first), smooth(second)
    # A variance is not negative, whatever rounding says.
    variance_1 = (smooth(first**2) - mean_1**2).clamp(min=0)
    variance_2 = (smooth(second**2) - mean_2**2).clamp(min=0)
    covariance = smooth(first * second) - mean_1 * mean_2
    similarity = (2 * mean_1 * mean_2 + _K1**2) * (2 * covariance + _K2**2)
    similarity = similarity / (
        (mean_1**2 + mean_2**2 + _K1**2) * (variance_1 + variance_2 + _K2**2)
    )
    return similarity.mean(dim=(-2, -1))


@cache
def _smoothing(size: int) -> Float[np.ndarray, "size size"]:
    """Give the matrix that smooths along an axis; beyond its ends the field is mirrored."""
    half = WINDOW // 2
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / _DEVIATION) ** 2)
    mirrored = np.pad(np.eye(size), ((half, half), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, WINDOW, axis=0)
    return np.asarray(windows @ (taps / taps.sum()))
