"""Power spectra by zonal wavenumber: they show where a forecast is too smooth."""

import torch
from jaxtyping import Float
from torch import Tensor

from met2net.data.grid import Grid

__all__ = ["zonal_power"]


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
