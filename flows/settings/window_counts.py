"""Window counts of data sets (the paper's Table 2), from their settings alone."""

from collections.abc import Sequence

import numpy as np

from flows.settings.config import Experiment
from met2net.data.windows import find_windows
from pipelines.fields.target_grids import NAMED_RESOLUTIONS, target_grid
from pipelines.image_sequences.sequences import SequenceSource, sequence_counts
from pipelines.paper.cells import Cell, gathered

__all__ = ["count_cells", "num_windows"]


def count_cells(runs: Sequence[tuple[str, str, Experiment]]) -> list[Cell]:
    """Count the windows of data sets that miss no hour, and give their shape.

    Args:
        runs: row, protocol and experiment.
    """
    found = []
    for row, protocol, experiment in runs:
        height, width = _image_shape(experiment)
        values = {
            "num_train": num_windows(experiment, "train"),
            "num_test": num_windows(experiment, "test"),
            "num_channels": sum(map(len, experiment.variables.values())),
            "height": height,
            "width": width,
            "num_inputs": experiment.window.num_inputs,
            "num_targets": experiment.window.num_targets,
        }
        found += [
            (protocol, Cell(row, None, name, clean=float(value))) for name, value in values.items()
        ]
    return gathered(found)


def num_windows(experiment: Experiment, split: str) -> int:
    """Find the windows of one split on an axis that has every hour of the time step.

    Of one with gaps there are fewer.
    """
    period, spec = experiment.splits.periods()[split], experiment.window.of_split(split)
    if isinstance(experiment.source, SequenceSource):
        counts = sequence_counts(experiment.splits)
        num_frames: int | None = getattr(experiment.source, "num_frames", None)
        if num_frames is not None and experiment.window.span_hours > num_frames:
            return 0
        return counts.get(split, counts["test"])  # one window a sequence
    hours = period.hours(experiment.step_hours).astype(np.int64)
    return len(find_windows(hours, spec=spec, in_split=np.ones(len(hours), dtype=bool)))


def _image_shape(experiment: Experiment) -> tuple[int, int]:
    """Give rows and columns."""
    source = experiment.source
    if isinstance(source, SequenceSource):
        size: int | None = getattr(source, "image_size", None)
        if size is not None:
            return size, size
        return source.open(sequence_counts(experiment.splits)).image_shape
    assert experiment.grid is not None
    return target_grid(NAMED_RESOLUTIONS["0.25"](), experiment.grid).shape
