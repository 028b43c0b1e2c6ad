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

__all__ = ["FieldSums", "zonal_power"]


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


def zonal_power(
    fields: Float[Tensor, "*batch h w"], *, grid: Grid
) -> Float[Tensor, "*batch wavenumber"]:
    """Give the variance along rows that each wavenumber has, the area-weighted mean of rows.

    Power k is |F_k|^2 / W^2, doubled where the negative wavenumber counts too (all but 0 and,
    for an even number of longitudes, the last), of the discrete Fourier transform F along a
    row of W longitudes: their sum is the mean square along the row (Parseval).

    On a grid that closes the circle, k is the number of waves round the circle. In a box, k
    counts waves in the box: a row's straight line (least squares) is taken off, and a Hann
    window of mean square 1 put on, since the Fourier transform would else see the jump from
    the eastern to the western edge. Power 0 then means little.
    """
    rows = fields.double()
    width = rows.shape[-1]
    if not grid.is_periodic:
        rows = _without_line(rows) * _hann(width).to(rows)
    power = torch.fft.rfft(rows, dim=-1).abs().square() / width**2
    doubled = torch.full((power.shape[-1],), 2.0).to(power)
    doubled[0] = 1.0
    if width % 2 == 0:
        doubled[-1] = 1.0
    weights = torch.from_numpy(grid.area_weights()).to(power) / rows.shape[-2]
    return torch.einsum("...hk,h->...k", power * doubled, weights)


def _without_line(rows: Tensor) -> Tensor:
    """Take off every row's least-squares line."""
    x = torch.arange(rows.shape[-1], dtype=rows.dtype, device=rows.device)
    x = x - x.mean()
    slope = (rows @ x) / x.square().sum()
    return rows - rows.mean(dim=-1, keepdim=True) - slope[..., None] * x


def _hann(width: int) -> Tensor:
    """Give a Hann window that leaves out no point (its zeros lie outside), mean square 1."""
    x = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    window = torch.sin(torch.pi * x).square()
    return window / window.square().mean().sqrt()
