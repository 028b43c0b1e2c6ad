"""The high-frequency focal loss of WaST, and training with it."""

from collections.abc import Mapping

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from met2net.models.blocks.wavelets import haar_bands
from met2net.models.padding import pad_to_multiple
from met2net.training.objective import EndToEnd
from met2net.training.problem import learning_problem

__all__ = ["HighFrequencyFocal", "high_frequency_focal_loss"]


class HighFrequencyFocal(EndToEnd):
    """Train all of any network on the MSE of its forecast and `high_frequency_focal_loss`.

    Args:
        weight: of that loss.
        radius: below which frequencies are left out, as a share of the larger side.
        channel_weights: of the MSE, as in `Objective`; the other loss counts channels in the same
            way.
        area_weighted: of the MSE, as in `Objective`; a frequency has no area.

    Raises:
        ValueError: if a value is negative.
    """

    def __init__(
        self,
        *,
        weight: float = 1e-3,
        radius: float = 0.1,
        channel_weights: Mapping[str, float] | None = None,
        area_weighted: bool = False,
    ) -> None:
        super().__init__(channel_weights=channel_weights, area_weighted=area_weighted)
        for name, value in (("weight", weight), ("radius", radius)):
            if not value >= 0:
                raise ValueError(f"{name} is {value}; expected at least 0")
        self.weight, self.radius = weight, radius

    def forward(
        self,
        network: nn.Module,
        inputs: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t2 c h w"],
        init_time: Int64[Tensor, " b"] | None = None,
    ) -> dict[str, Tensor]:
        """Give `loss` and its parts, `prediction_loss` and `focal_loss`."""
        problem = learning_problem(network, inputs=inputs, targets=targets, init_time=init_time)
        forecast = problem.network(problem.inputs)
        prediction_loss = self.squared_error(forecast, problem.targets, problem.weights)
        focal_loss = high_frequency_focal_loss(
            forecast,
            problem.targets,
            radius=self.radius,
            channel_weights=self.squared_error.channels,
            valid=self.squared_error.valid,
        )
        return {
            "loss": prediction_loss + self.weight * focal_loss,
            "prediction_loss": prediction_loss,
            "focal_loss": focal_loss,
        }


def high_frequency_focal_loss(
    forecast: Float[Tensor, "b t c h w"],
    targets: Float[Tensor, "b t c h w"],
    *,
    radius: float,
    channel_weights: Float[Tensor, "c 1 1"] | None = None,
    valid: Bool[Tensor, "c h w"] | None = None,
) -> Float[Tensor, ""]:
    """Give the mean squared error of fine structures, the worst frequencies counting most.

    The error's smooth part (the low band of a Haar transform in space, which is the scale
    that networks still see) is Fourier-transformed, orthonormal; frequencies within
    `radius` * the larger side of zero [grid waves] are left out; each other one is weighted by
    log(1 + its amplitude), relative to the largest of its field, as a constant. Channel weights
    multiply what their channels cost. Points without a value (not `valid`) have no error, and
    channels without any count nowhere.
    Source: Nie et al. 2024, doi:10.1609/aaai.v38i5.28230; the focal weight: Jiang et al. 2021,
    arXiv:2012.12821.
    """
    difference = forecast - targets
    if valid is not None:
        difference = torch.where(valid, difference, 0.0)
    error = rearrange(difference, "b t c h w -> (b t) c h w").float()  # no FFT in bf16
    smooth = haar_bands(pad_to_multiple(error, 2), axes=(-2, -1))[0]
    spectrum = torch.fft.fft2(smooth, norm="ortho")
    energy = spectrum.real.square() + spectrum.imag.square()
    focus = energy.detach().sqrt().log1p()
    largest = focus.amax(dim=(-2, -1), keepdim=True)
    focus = focus / largest.clamp(min=torch.finfo(focus.dtype).tiny)
    cost = focus * energy * _is_fine(smooth, radius=radius)
    if channel_weights is not None:
        frames = rearrange(cost, "(b t) c h w -> b t c h w", b=len(forecast))
        cost = channel_weights * frames
    loss: Tensor = cost.mean()
    if valid is not None:
        counted = valid.any(dim=-1).any(dim=-1)
        loss = loss * (len(counted) / counted.sum())
    return loss


def _is_fine(fields: Tensor, *, radius: float) -> Tensor:
    """Mark frequencies far enough from zero."""
    height, width = fields.shape[-2:]
    rows, columns = (
        torch.fft.fftfreq(size, d=1 / size, device=fields.device) for size in (height, width)
    )
    distance = torch.hypot(rows[:, None].expand(-1, width), columns.expand(height, -1))
    return distance > radius * max(height, width)
