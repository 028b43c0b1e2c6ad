"""Whether a checkpoint's network can be applied to windows of a training set."""

from collections.abc import Sequence

from met2net.checkpoint import Checkpoint
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec

__all__ = ["misfit"]


def misfit(
    checkpoint: Checkpoint, *, data: TrainingSet, window: WindowSpec, habits: Sequence[str] = ()
) -> str | None:
    """Say what does not fit, as found and expected; None where all does.

    Args:
        checkpoint: its normalization may be another one: inputs are converted.
        data: gives channels, units and grid.
        window: gives the frames.
        habits: further attributes of windows that have to agree.
    """
    comparisons = {
        "channels": (checkpoint.normalizer.channels, data.channels),
        "units": (tuple(checkpoint.units), tuple(data.units)),
        "input hours": (checkpoint.window.input_hours, window.input_hours),
        "target hours": (checkpoint.window.target_hours, window.target_hours),
    }
    comparisons |= {
        f"window.{name}": (getattr(checkpoint.window, name), getattr(window, name))
        for name in habits
    }
    for what, (found, expected) in comparisons.items():
        if found != expected:
            return f"found {what} {found}; expected {expected}"
    if not checkpoint.grid.matches(data.grid):
        return f"found grid {checkpoint.grid}; expected {data.grid}"
    return None
