"""Export of a forecaster as one program, for where this package is not installed."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from met2net.checkpoint import Checkpoint
from met2net.data.valid_points import FILL
from met2net.models.wrapper import needs_init_time, run_network

__all__ = ["export_forecaster"]


def export_forecaster(checkpoint: Checkpoint, *, device: str = "cpu") -> ExportedProgram:
    """Export normalization, network and its undoing: physical units in, physical units out.

    Inputs are float64 `b t c h w` on the checkpoint's grid, of its input channels, for any number
    of samples; forecasts are float64 `b t2 c2 h w` of its output channels, the same as
    `Forecaster.predict` gives on that device. Where the network needs the init times, they are a
    second input: int64 `b`, hours since 1970-01-01T00 UTC. `torch.export.save` writes the program,
    which needs nothing but PyTorch to run. It computes and checks nothing: a shape or a value that
    is no weather is for the caller to refuse.

    Args:
        checkpoint: its network is left as it is, in eval mode.
        device: where the program is to run.
    """
    forecast = _PhysicalForecast(checkpoint).to(device).eval()
    seen = checkpoint.normalizer.of_channels(checkpoint.input_channels)
    shape = (checkpoint.window.num_inputs, len(seen.channels))
    mean = torch.tensor(seen.mean, dtype=torch.float64, device=device)
    # Two samples: the number one would be taken for a constant.
    example = mean[:, None, None].expand(2, *shape, *checkpoint.grid.shape).contiguous()
    examples: tuple[Tensor, ...] = (example,)
    if needs_init_time(checkpoint.network):
        examples += (torch.zeros(2, dtype=torch.int64, device=device),)
    shapes = tuple({0: Dim.DYNAMIC} for _ in examples)
    with torch.no_grad():
        return torch.export.export(forecast, examples, dynamic_shapes=shapes)


class _PhysicalForecast(nn.Module):
    """A network between normalization and its undoing."""

    mean: Tensor
    std: Tensor
    seen_mean: Tensor
    seen_std: Tensor
    valid: Tensor | None
    sources: Tensor | None
    given: Tensor | None

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.network = checkpoint.network
        labels, seen = checkpoint.normalizer.channels, checkpoint.input_channels
        hidden = [label for label in labels if label not in seen]
        self.num_hidden = len(hidden)
        # Of every channel, its place among what is seen and, after these, what is not.
        order = [(*seen, *hidden).index(label) for label in labels]
        given = [labels.index(label) for label in checkpoint.output_channels]
        self.register_buffer("sources", torch.tensor(order) if hidden else None)
        self.register_buffer("given", None if len(given) == len(labels) else torch.tensor(given))
        own = checkpoint.normalizer.of_channels(seen)
        for name, values in (
            ("mean", checkpoint.normalizer.mean),
            ("std", checkpoint.normalizer.std),
            ("seen_mean", own.mean),
            ("seen_std", own.std),
        ):
            column = torch.tensor(values, dtype=torch.float64)[:, None, None]
            self.register_buffer(name, column)
        self.register_buffer("valid", None if checkpoint.valid is None else checkpoint.valid.tensor)

    def forward(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t2 c2 h w"]:
        """Centre in double precision, as pressures are large beside their changes."""
        normalized = ((inputs - self.seen_mean) / self.seen_std).float()
        if self.sources is not None:
            shape = (*inputs.shape[:2], self.num_hidden, *inputs.shape[3:])
            normalized = torch.cat([normalized, normalized.new_full(shape, FILL)], dim=2)
            normalized = normalized.index_select(2, self.sources)
        if self.valid is not None:
            normalized = torch.where(self.valid, normalized, FILL)
        forecast = run_network(self.network, normalized, init_time)
        physical = forecast.double() * self.std + self.mean
        if self.valid is not None:
            physical = torch.where(self.valid, physical, torch.nan)
        return physical if self.given is None else physical.index_select(2, self.given)
