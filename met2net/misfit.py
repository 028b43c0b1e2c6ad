"""Whether a checkpoint's network can be applied to windows of a training set."""

from collections.abc import Sequence

import numpy as np

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
        data: gives channels, units, grid and points without a value.
        window: gives the frames and the roles of channels.
        habits: further attributes of windows that have to agree.
    """
    comparisons = {
        "channels": (checkpoint.normalizer.channels, data.channels),
        "units": (tuple(checkpoint.units), tuple(data.units)),
        "input hours": (checkpoint.window.input_hours, window.input_hours),
        "target hours": (checkpoint.window.target_hours, window.target_hours),
        "input-only channels": (checkpoint.window.input_only, window.input_only),
        "output-only channels": (checkpoint.window.output_only, window.output_only),
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
    masks = [
        np.ones((len(data.channels), *data.grid.shape), bool) if valid is None else valid.mask
        for valid in (checkpoint.valid, data.valid)
    ]
    for label, found, expected in zip(data.channels, *masks, strict=True):
        if (found != expected).any():
            return (
                f"found {label} to have a value at {found.sum()} of {found.size} points; expected "
                f"it at {expected.sum()}, {(found != expected).sum()} points differ"
            )
    return None
