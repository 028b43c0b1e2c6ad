"""What evaluation and analysis start from: windows of a split, and networks that fit them."""

from collections.abc import Mapping
from pathlib import Path

from met2net.checkpoint import Checkpoint, load_checkpoint
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowDataset, WindowSpec
from met2net.misfit import misfit
from pipelines.errors import DataError, as_data_error

__all__ = ["check_fits", "load_fitting", "windows_in_split"]


def windows_in_split(data: TrainingSet, split: str, window: WindowSpec) -> WindowDataset:
    """Cut all windows of a split.

    Raises:
        DataError: if the split has no complete window.
    """
    with as_data_error():
        return data.some_windows(split, window)


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
    # A network of one protocol is not scored by another; the stride may differ.
    habits = ("drop_last_hours", "drop_last_windows", "length_stride")
    problem = misfit(checkpoint, data=data, window=window, habits=habits)
    if problem is not None:
        raise DataError(f"checkpoint {name}: {problem}")
