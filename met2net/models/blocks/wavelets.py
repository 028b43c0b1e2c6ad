"""The Haar wavelet transform of frames, in space and in space and time."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["haar_bands", "haar_merge"]

_ROOT = math.sqrt(0.5)


def haar_bands(fields: Float[Tensor, "..."], *, axes: Sequence[int]) -> list[Tensor]:
    """Split fields into low and high frequencies along every one of some axes.

    A pair of neighbours a, b becomes (a + b) / sqrt 2, low, and (a - b) / sqrt 2, high, on half
    as many points; energy is kept. The bands of n axes are 2 ** n, in binary order: the
    first axis is the slowest, low comes before high; for (time, latitude, longitude) LLL, LLH,
    LHL, LHH, HLL, HLH, HHL, HHH.
    Source: Haar 1910, doi:10.1007/BF01456326; as the wavelet `haar` of PyWavelets.

    Raises:
        ValueError: if an axis has an odd number of points.
    """
    bands = [fields]
    for axis in axes:
        bands = [half for band in bands for half in _split(band, axis)]
    return bands


def haar_merge(bands: Sequence[Float[Tensor, "..."]], *, axes: Sequence[int]) -> Tensor:
    """Put the bands of `haar_bands` together again, exactly but for rounding.

    Raises:
        ValueError: if the number of bands does not fit the number of axes.
    """
    if len(bands) != 2 ** len(axes):
        raise ValueError(f"found {len(bands)} bands; expected {2 ** len(axes)}")
    merged = list(bands)
    for axis in reversed(axes):
        pairs = zip(merged[0::2], merged[1::2], strict=True)
        merged = [_merge(low, high, axis) for low, high in pairs]
    return merged[0]


def _split(fields: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Split one axis."""
    axis %= fields.ndim
    if fields.shape[axis] % 2:
        raise ValueError(f"axis {axis} has {fields.shape[axis]} points; expected an even number")
    count = fields.shape[axis] // 2
    pairs = fields.reshape(*fields.shape[:axis], count, 2, *fields.shape[axis + 1 :])
    first, second = pairs.unbind(axis + 1)
    return (first + second) * _ROOT, (first - second) * _ROOT


def _merge(low: Tensor, high: Tensor, axis: int) -> Tensor:
    """Merge one axis."""
    axis %= low.ndim
    pair = torch.stack([(low + high) * _ROOT, (low - high) * _ROOT], dim=axis + 1)
    return pair.flatten(axis, axis + 1)
