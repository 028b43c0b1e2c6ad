"""What evaluation and analysis start from: windows of a split, and networks that fit them."""

from collections.abc import Mapping
from pathlib import Path

from met2net.checkpoint import Checkpoint, load_checkpoint
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowDataset, WindowSpec
from pipelines.errors import DataError

__all__ = ["check_fits", "load_fitting", "windows_in_split"]


def windows_in_split(data: TrainingSet, split: str, window: WindowSpec) -> WindowDataset:
    """Cut all windows of a split.

    Raises:
        DataError: if the split has no complete window.
    """
    windows = data.windows(split, window)
    if len(windows) == 0:
        raise DataError(
            f"found no window in split {split!r}, which has {int(data.in_split(split).sum())} "
            f"hours; expected at least {window.span_hours} hours in a row, without a gap at the "
            f"frames {window.input_hours} and {window.target_hours} [hours from the init time]"
        )
    return windows


def load_fitting(
    checkpoints: Mapping[str, Path], *, data: TrainingSet, window: WindowSpec, device: str
) -> dict[str, Checkpoint]:
    """Load checkpoints by name; refuse one that does not fit the training set.

    Raises:
        DataError: as `check_fits`.
    """
    loaded = {}
    for name, path in checkpoints.items():
        checkpoint = load_checkpoint(path, device=device)
        check_fits(checkpoint, name=name, data=data, window=window)
        checkpoint.network.eval()
        loaded[name] = checkpoint
    return loaded


def check_fits(checkpoint: Checkpoint, *, name: str, data: TrainingSet, window: WindowSpec) -> None:
    """Check that a network can be applied to windows of a training set.

    Its normalization may be another one: inputs are converted.

    Raises:
        DataError: if channels, units, grid, frames or the windows that are left out differ.
    """
    comparisons = {
        "channels": (checkpoint.normalizer.channels, data.channels),
        "units": (tuple(checkpoint.units), tuple(data.units)),
        "input hours": (checkpoint.window.input_hours, window.input_hours),
        "target hours": (checkpoint.window.target_hours, window.target_hours),
    }
    # A network of one protocol is not scored by another; the stride may differ.
    names = ("drop_last_hours", "drop_last_windows", "length_stride")
    comparisons |= {
        f"window.{name}": (getattr(checkpoint.window, name), getattr(window, name))
        for name in names
    }
    for what, (found, expected) in comparisons.items():
        if found != expected:
            raise DataError(f"checkpoint {name}: found {what} {found}; expected {expected}")
    if not checkpoint.grid.matches(data.grid):
        raise DataError(f"checkpoint {name}: found grid {checkpoint.grid}; expected {data.grid}")
