"""What a scoring pass keeps of whole fields: SSIM, PSNR and power spectra by model."""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Float64
from torch import Tensor

from met2net.data.grid import Grid
from met2net.data.valid_points import ValidPoints
from met2net.verification.image_quality import IMAGE_METRICS, ImageQuality, compute_image_quality
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.spectra import zonal_power

__all__ = ["FieldSums"]


class FieldSums:
    """Sums by model of what fields look like; `add` is given every batch of a scoring pass."""

    def __init__(
        self,
        *,
        grid: Grid,
        value_range: Float64[np.ndarray, "2 c"],
        mean: Float64[np.ndarray, " c"],
        valid: ValidPoints | None = None,
    ) -> None:
        """Start empty.

        Args:
            grid: of the fields.
            value_range: smallest and largest value of a channel in the training split,
                normalized as the fields are: what images range over.
            mean: of a channel in the training split, normalized alike: taken off for spectra,
                whose power at wavenumber 0 would else be that of the zero of a normalization.
            valid: points with a value; None: all of them. A channel that lacks some has no
                spectrum, since a row with holes has none, and of images PSNR alone.
        """
        self._valid = valid
        self._grid = grid
        self._value_range = value_range
        self._mean = mean
        self._images: dict[str, ImageQuality] = {}
        self._power: dict[str, np.ndarray] = {}
        self._observed_power: np.ndarray | None = None

    def add(self, batch: ScoredBatch) -> None:
        """Add a batch of one model."""
        images = compute_image_quality(
            batch.predictions, batch.targets, value_range=self._value_range, valid=self._valid
        )
        power = self._power_of(batch.predictions)
        is_known = batch.model in self._images
        self._images[batch.model] = self._images[batch.model] + images if is_known else images
        self._power[batch.model] = self._power[batch.model] + power if is_known else power
        if batch.model == next(iter(self._images)):  # the observations are those of all models
            observed = self._power_of(batch.targets)
            before = self._observed_power
            self._observed_power = observed if before is None else before + observed

    def _power_of(
        self, fields: Float[Tensor, "b l c h w"]
    ) -> Float64[np.ndarray, "l c wavenumber"]:
        """Sum the spectra of a batch."""
        mean = torch.from_numpy(self._mean).to(device=fields.device)[:, None, None]
        power = zonal_power(fields.double() - mean, grid=self._grid)
        sums: np.ndarray = power.sum(0).cpu().numpy()
        if self._valid is not None:
            sums[:, ~self._valid.mask.all(axis=(1, 2))] = np.nan
        return sums

    def to_dataset(
        self, *, std: Float64[np.ndarray, " c"], channels: Sequence[str], lead_time: Sequence[int]
    ) -> xr.Dataset:
        """Give the means over init times; spectra in physical units squared.

        Returns:
            `image_quality(model, image_metric, channel, lead_time)`,
            `power(model, channel, lead_time, wavenumber)` and
            `observed_power(channel, lead_time, wavenumber)`.

        Raises:
            ValueError: if nothing was added.
        """
        if self._observed_power is None:
            raise ValueError("no forecasts were added; expected at least one batch")
        count = next(iter(self._images.values())).count
        variance = (std**2)[:, None] / count
        images = [[q.means()[name].T for name in IMAGE_METRICS] for q in self._images.values()]
        power = np.stack([p * variance for p in self._power.values()])  # (M, L, C, K)
        observed = self._observed_power * variance
        field = ("channel", "lead_time")
        units = {"long_name": "zonal power spectrum, in the square of the channel's units"}
        return xr.Dataset(
            {
                "image_quality": (
                    ("model", "image_metric", *field),
                    np.array(images),
                    {"long_name": "mean over init times; ssim in 1, psnr in dB"},
                ),
                "power": (("model", *field, "wavenumber"), power.swapaxes(1, 2), units),
                "observed_power": ((*field, "wavenumber"), observed.swapaxes(0, 1), units),
            },
            coords={
                "model": list(self._images),
                "image_metric": list(IMAGE_METRICS),
                "channel": list(channels),
                "lead_time": ("lead_time", list(lead_time), {"units": "hours"}),
                "wavenumber": np.arange(power.shape[-1]),
            },
        )
