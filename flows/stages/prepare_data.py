"""Stages before any training: archive, training set, the linear yardstick."""

from pathlib import Path

from flows.settings.config import Experiment
from flows.stages.retrying import is_worth_retrying
from flows.stages.stage import stage
from met2net.data.training_set import TrainingSet
from met2net.data.variables import required_fields
from pipelines.archive.ingest import ingest
from pipelines.archive.location import archive_location
from pipelines.archive.state import ArchiveState
from pipelines.image_sequences.sequence_set import SequenceSetSettings, build_sequence_set
from pipelines.image_sequences.sequences import SequenceFiles, SequenceSource
from pipelines.sources.static_source import raw_static_fields
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.ridge import fitted_ridge
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from pipelines.training_sets.static_fields import keep_static_fields

__all__ = ["build_with_static_fields", "fit_ridge", "prepare", "update_archive"]


@stage("update archive", retries=2, retry_delay_seconds=[10, 60],
      retry_condition_fn=is_worth_retrying)  # fmt: skip
def update_archive(experiment: Experiment) -> ArchiveState | SequenceFiles:
    """Fetch what the period needs and the archive lacks; image sequences are files, no archive."""
    if isinstance(experiment.source, SequenceSource):
        return experiment.source.files()
    assert experiment.period is not None and experiment.grid is not None
    # First: what a source lacks is told before months are fetched. They are kept with the raw data.
    raw_static_fields(
        experiment.source, experiment.static_fields, raw_folder=experiment.workspace / "raw"
    )
    fields = required_fields(experiment.channels)
    return ingest(
        experiment.source,
        period=experiment.period,
        fields=fields,
        grid=experiment.grid,
        raw_folder=experiment.workspace / "raw",
        step_hours=experiment.step_hours,
        path=archive_location(
            experiment.archive_root,
            experiment.workspace,
            source=experiment.source,
            fields=fields,
            grid=experiment.grid,
            step_hours=experiment.step_hours,
        ),
        accept=experiment.accept,
    )


@stage("prepare training set")
def prepare(experiment: Experiment, archive: ArchiveState | SequenceFiles) -> Path:
    """Normalize one archive snapshot, or image sequences, into a training set."""
    if isinstance(experiment.source, SequenceSource):
        sequences = SequenceSetSettings(
            variables=experiment.variables,
            splits=experiment.splits,
            normalization=experiment.normalization,
        )
        return build_sequence_set(
            experiment.source, sequences, folder=experiment.workspace / "training_sets"
        )
    assert isinstance(archive, ArchiveState)
    return build_with_static_fields(experiment, archive, splits=experiment.splits)


def build_with_static_fields(
    experiment: Experiment, archive: ArchiveState, *, splits: Splits
) -> Path:
    """Build the training set of some splits, and keep beside it the static fields asked for."""
    assert experiment.grid is not None
    training_set = build_training_set(
        archive,
        TrainingSetSettings(
            variables=experiment.variables,
            splits=splits,
            normalization=experiment.normalization,
        ),
        folder=experiment.workspace / "training_sets",
        cluster=experiment.cluster,
    )
    keep_static_fields(
        training_set, experiment.static_fields, source=experiment.source, grid=experiment.grid,
        raw_folder=experiment.workspace / "raw",
    )  # fmt: skip
    return training_set


@stage("fit ridge")
def fit_ridge(experiment: Experiment, training_set: Path) -> None:
    """Fit the linear yardstick, which networks may correct, before trainings share the cores."""
    data = TrainingSet.open(training_set, memory_limit=experiment.trainer.memory_bytes)
    fitted_ridge(data, window=experiment.window)
