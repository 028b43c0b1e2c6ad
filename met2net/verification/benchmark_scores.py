"""Scores as benchmarks of image sequences define them: MSE, MAE, SSIM and PSNR of frames.

Source: OpenSTL (Tan et al. 2023, arXiv:2306.11249), whose published tables are by these
definitions: https://github.com/chengtan9907/OpenSTL, `openstl/core/metrics.py`.
"""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from einops import rearrange, reduce
from jaxtyping import Float, Float64
from torch import Tensor

from met2net.data.normalization import Normalizer
from met2net.verification.image_quality import UNIFORM, structural_similarity
from met2net.verification.score_stream import ScoredBatch

__all__ = ["BENCHMARK_METRICS", "BenchmarkSums", "benchmark_scores"]

BENCHMARK_METRICS = ("mse_summed", "mae_summed", "ssim", "psnr")

_SSIM_RANGE = 2.0  # that scikit-image takes for floating-point images, from -1 to 1


def benchmark_scores(
    forecast: Float[Tensor, "b l c h w"], observation: Float[Tensor, "b l c h w"]
) -> Float64[Tensor, "metric b l"]:
    """Score every frame, all channels together; values should lie between 0 and 1.

    - `mse_summed`, `mae_summed`: squared and absolute errors summed over channels, rows and
      columns.
    - `ssim`, `psnr`: of the forecast cut off at 0 and 1. PSNR [dB] is -10 log10 of the mean
      squared error over channels, rows and columns, infinite for a perfect frame. SSIM is the
      mean over channels and over windows of 7 x 7 equal points that lie inside the image, with
      sample covariances, K1 = 0.01, K2 = 0.03 and a data range of 2: what scikit-image gave for
      floating-point images by default, and published tables hold. NaN for images below 7 x 7.

    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861; the module's.
    """
    f, o = forecast.double(), observation.double()
    squared = reduce((f - o).square(), "b l c h w -> b l", "sum")
    absolute = reduce((f - o).abs(), "b l c h w -> b l", "sum")
    cut = f.clamp(0.0, 1.0)
    psnr = -10 * torch.log10(reduce((cut - o).square(), "b l c h w -> b l", "mean"))
    return torch.stack([squared, absolute, _ssim(cut, o), psnr])


class BenchmarkSums:
    """Sums by model over init times; `add` is given every batch of a scoring pass."""

    def __init__(self, normalizer: Normalizer) -> None:
        """Start empty.

        Args:
            normalizer: brings fields back to values from 0 to 1.
        """
        self._normalizer = normalizer
        self._sums: dict[str, np.ndarray] = {}
        self._counts: dict[str, int] = {}

    def add(self, batch: ScoredBatch) -> None:
        """Add a batch of one model."""
        forecast, observation = (
            self._normalizer.denormalize(x.double()) for x in (batch.predictions, batch.targets)
        )
        sums = benchmark_scores(forecast, observation).sum(dim=1).cpu().numpy()
        known = batch.model in self._sums
        self._sums[batch.model] = self._sums[batch.model] + sums if known else sums
        self._counts[batch.model] = self._counts.get(batch.model, 0) + len(batch.init_time)

    def to_dataset(self, *, lead_time: Sequence[int]) -> xr.Dataset:
        """Give the means over frames.

        Returns:
            `benchmark(model, benchmark_metric)`, the mean over init times and lead times, and
            `benchmark_by_lead(model, benchmark_metric, lead_time)`.

        Raises:
            ValueError: if nothing was added.
        """
        if not self._sums:
            raise ValueError("no forecasts were added; expected at least one batch")
        by_lead = np.stack([sums / self._counts[name] for name, sums in self._sums.items()])
        note = {
            "long_name": "mean over frames, as benchmarks of image sequences score",
            "comment": "errors summed over channels and pixels of a frame; psnr in dB",
        }
        return xr.Dataset(
            {
                "benchmark": (("model", "benchmark_metric"), by_lead.mean(axis=-1), note),
                "benchmark_by_lead": (("model", "benchmark_metric", "lead_time"), by_lead, note),
            },
            coords={
                "model": list(self._sums),
                "benchmark_metric": list(BENCHMARK_METRICS),
                "lead_time": ("lead_time", list(lead_time), {"units": "hours"}),
            },
        )


def _ssim(
    forecast: Float64[Tensor, "b l c h w"], observation: Float64[Tensor, "b l c h w"]
) -> Float64[Tensor, "b l"]:
    """Give the mean structural similarity of frames."""
    b, lead, c, height, width = forecast.shape
    if min(height, width) < UNIFORM.size:
        return torch.full((b, lead), torch.nan, dtype=torch.float64, device=forecast.device)
    first, second = (rearrange(x, "b l c h w -> (b l c) h w") for x in (forecast, observation))
    ssim = structural_similarity(first, second, window=UNIFORM, data_range=_SSIM_RANGE)
    return reduce(ssim, "(b l c) -> b l", "mean", b=b, l=lead, c=c)
