"""SSIM and PSNR: how alike two fields look, field by field. Sums that add up."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Float, Float64
from torch import Tensor

from met2net.data.valid_points import ValidPoints

__all__ = [
    "GAUSSIAN",
    "IMAGE_METRICS",
    "UNIFORM",
    "ImageQuality",
    "Window",
    "compute_image_quality",
    "structural_similarity",
]

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


IMAGE_METRICS = ("ssim", "psnr")

FieldSums = Float64[np.ndarray, "lead channel"]


@dataclass(frozen=True, eq=False)
class ImageQuality:
    """Sums over init times of what every single field scores, by lead and channel.

    Attributes:
        ssim: sum of the structural similarity; NaN for fields below 11 x 11 points, and for those
            with points without a value.
        psnr: sum of the peak signal-to-noise ratio [dB]; infinite with a perfect field.
        count: number of init times.
    """

    ssim: FieldSums
    psnr: FieldSums
    count: int

    def __add__(self, other: "ImageQuality") -> "ImageQuality":
        """Merge two samples."""
        return ImageQuality(
            self.ssim + other.ssim, self.psnr + other.psnr, self.count + other.count
        )

    def means(self) -> Mapping[str, FieldSums]:
        """Give the mean over init times of `IMAGE_METRICS`."""
        return {name: getattr(self, name) / self.count for name in IMAGE_METRICS}


def compute_image_quality(
    forecast: Float[Tensor, "b l c h w"],
    observation: Float[Tensor, "b l c h w"],
    *,
    value_range: Float[np.ndarray, "2 c"],
    valid: ValidPoints | None = None,
) -> ImageQuality:
    """Score every field as an image: values are brought to 0 to 1 over the channel's range.

    SSIM compares means, which have no meaning without a zero: here the smallest value of the
    range. So neither measure depends on the unit that fields come in. Values may leave the
    range. SSIM as `structural_similarity` has it; PSNR is that of `torchmetrics`. Of a channel that
    lacks values in places, PSNR is that of the points that have one, and there is no SSIM, whose
    windows would reach over the others.

    Args:
        forecast: fields.
        observation: what happened.
        value_range: smallest and largest value of every channel, in the units of the fields.
        valid: points with a value; None: all of them.

    Raises:
        ValueError: if a smallest value is not below the largest.
    """
    # Imported here: it brings SciPy's signal processing along, and most commands score nothing.
    from torchmetrics.functional.image import peak_signal_noise_ratio

    if not (value_range[0] < value_range[1]).all():
        raise ValueError(
            f"value ranges are {value_range[0].tolist()} to {value_range[1].tolist()}; expected "
            "each smallest value below the largest"
        )
    ends = torch.from_numpy(value_range).to(device=forecast.device, dtype=torch.float64)
    low, high = ends[:, :, None, None]
    if valid is not None:  # no error there, and no value that is no number
        forecast, observation = valid.filled(forecast), valid.filled(observation)
    first, second = (
        rearrange((x.double() - low) / (high - low), "b l c h w -> (b l c) h w")
        for x in (forecast, observation)
    )
    psnr = peak_signal_noise_ratio(first, second, data_range=1.0, reduction="none", dim=(1, 2))
    if min(forecast.shape[-2:]) >= GAUSSIAN.size:
        ssim = structural_similarity(first, second)
    else:
        ssim = torch.full_like(psnr, torch.nan)
    b, lead, c = forecast.shape[:3]
    sums = [
        rearrange(x, "(b l c) -> b l c", b=b, l=lead, c=c).sum(0).double().cpu().numpy()
        for x in (ssim, psnr)
    ]
    if valid is not None:
        # The mean over all points is too small by the share of those that count.
        share = valid.counts / valid.mask[0].size
        sums = [np.where(share < 1, np.nan, sums[0]), sums[1] + 10 * b * np.log10(share)]
    return ImageQuality(ssim=sums[0], psnr=sums[1], count=b)
