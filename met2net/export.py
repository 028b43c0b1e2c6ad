"""Export of a forecaster as one program, for where this package is not installed."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from met2net.checkpoint import Checkpoint

__all__ = ["export_forecaster"]


def export_forecaster(checkpoint: Checkpoint, *, device: str = "cpu") -> ExportedProgram:
    """Export normalization, network and its undoing: physical units in, physical units out.

    Inputs are float64 `b t c h w` on the checkpoint's grid, for any number of samples;
    forecasts are float64 `b t2 c h w`, the same as `Forecaster.predict` gives on that device.
    `torch.export.save` writes the program, which needs nothing but PyTorch to run. It computes
    and checks nothing: a shape or a value that is no weather is for the caller to refuse.

    Args:
        checkpoint: its network is left as it is, in eval mode.
        device: where the program is to run.
    """
    forecast = _PhysicalForecast(checkpoint).to(device).eval()
    shape = (checkpoint.window.num_inputs, len(checkpoint.normalizer.channels))
    mean = torch.tensor(checkpoint.normalizer.mean, dtype=torch.float64, device=device)
    # Two samples: the number one would be taken for a constant.
    example = mean[:, None, None].expand(2, *shape, *checkpoint.grid.shape).contiguous()
    with torch.no_grad():
        return torch.export.export(forecast, (example,), dynamic_shapes=({0: Dim.DYNAMIC},))


class _PhysicalForecast(nn.Module):
    """A network between normalization and its undoing."""

    mean: Tensor
    std: Tensor

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.network = checkpoint.network
        for name, values in (
            ("mean", checkpoint.normalizer.mean),
            ("std", checkpoint.normalizer.std),
        ):
            column = torch.tensor(values, dtype=torch.float64)[:, None, None]
            self.register_buffer(name, column)

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c h w"]:
        """Centre in double precision, as pressures are large beside their changes."""
        normalized = ((inputs - self.mean) / self.std).float()
        forecast: Tensor = self.network(normalized)
        return forecast.double() * self.std + self.mean
