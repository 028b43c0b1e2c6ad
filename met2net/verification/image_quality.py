"""SSIM and PSNR: how alike two fields look, field by field. Sums that add up."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor

from met2net.data.valid_points import ValidPoints
from met2net.verification.structural_similarity import GAUSSIAN, structural_similarity

__all__ = ["IMAGE_METRICS", "ImageQuality", "compute_image_quality"]

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
