"""The training of one model of an experiment, described as a job."""

from collections.abc import Mapping
from pathlib import Path

from flows.settings.config import Experiment
from met2net.data.training_set import TrainingSet
from pipelines.code_version import git_commit
from pipelines.training.initial_weights import InitialWeights
from pipelines.training.job import TrainingJob
from pipelines.training.network_grid import network_on_grid

__all__ = ["model_job"]


def model_job(
    experiment: Experiment,
    model: str,
    *,
    training_set: Path,
    provenance: Mapping[str, str] | None = None,
    name: str | None = None,
    initial_weights: InitialWeights | None = None,
) -> TrainingJob:
    """Describe the training of one model of an experiment.

    Args:
        experiment: has the model's settings.
        model: its name there.
        training_set: the store to train on; its file name is its fingerprint. On a grid that goes
            round the globe, the network sees across the edge of longitudes.
        provenance: what is to travel in the checkpoint beside experiment, training set, commit
            and attribution; None: the archive's state that the set was built from. It may be
            older than the newest, where that holds the same values.
        name: of the job, where it is not the model's.
        initial_weights: checkpoint to start from; None: from scratch.
    """
    settings = experiment.models[model]
    if provenance is None:
        data = TrainingSet.open(training_set)
        provenance = {"archive_snapshot": data.attrs["archive_snapshot"]}
    return TrainingJob(
        name=name or model,
        training_set=str(training_set),
        training_set_fingerprint=training_set.stem,
        window=experiment.window,
        network=network_on_grid(settings.network, training_set, window=experiment.window),
        objective=settings.objective,
        optimization=settings.optimization,
        trainer=experiment.trainer,
        provenance={
            "experiment": experiment.name,
            "training_set": training_set.stem,
            "git_commit": git_commit(),
            "attribution": experiment.source.attribution or "",
            **provenance,
        },
        initial_weights=initial_weights,
    )
