"""Whether a training set can be trained on and scored as asked: before anything is trained."""

from collections.abc import Mapping
from pathlib import Path

from met2net.analysis.cka import MIN_SAMPLES
from met2net.data.training_set import SPLITS, TrainingSet
from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.evaluation.scored_regions import scored_regions
from pipelines.evaluation.settings import EvaluationSettings

__all__ = ["check_scoring", "check_window_counts"]


def check_scoring(
    training_set: Path,
    *,
    window: WindowSpec,
    evaluation: EvaluationSettings,
    analyzes: bool = True,
) -> None:
    """Check windows of every split, regions and the land-sea mask.

    Args:
        training_set: the store.
        window: its samples.
        evaluation: what is scored and shown.
        analyzes: whether networks are analyzed, which takes some windows.

    Raises:
        DataError: naming the setting that asks for what the data do not have.
    """
    data = TrainingSet.open(training_set)
    counts = {name: len(data.windows(name, window)) for name in SPLITS}
    check_window_counts(counts, evaluation=evaluation, analyzes=analyzes)
    scored_regions(data.grid, evaluation.scoring)


def check_window_counts(
    counts: Mapping[str, int], *, evaluation: EvaluationSettings, analyzes: bool
) -> None:
    """Refuse splits that are too short.

    Args:
        counts: split -> its windows.
        evaluation: what is made of those of its split.
        analyzes: whether networks are analyzed.

    Raises:
        DataError: naming the split and the setting.
    """
    for name, count in counts.items():
        if count == 0:
            raise DataError(
                f"found no window in split {name!r} (data.splits.{name}); expected at least one: "
                "a longer split without gaps, or fewer frames (data.window)"
            )
    count = counts[evaluation.split]
    if evaluation.num_examples > count:
        raise DataError(
            f"evaluation.num_examples is {evaluation.num_examples}; expected at most {count}, the "
            f"windows of split {evaluation.split!r}"
        )
    if analyzes and count < MIN_SAMPLES:
        raise DataError(
            f"found {count} windows in split {evaluation.split!r}; expected at least {MIN_SAMPLES} "
            "to analyze: a longer split, or another evaluation.split"
        )
