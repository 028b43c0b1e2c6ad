"""Train the models of one part of a study, each once for all studies; search learning rates."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flows.settings.config import Experiment
from flows.settings.study import Study
from flows.stages.model_job import model_job
from flows.stages.side_by_side import train_in_groups
from flows.stages.train_model import train_model
from pipelines.training.curves import read_curves
from pipelines.training.job import TrainingJob

__all__ = ["Train", "train_models"]

Train = Callable[[TrainingJob, Path, bool], Path]
"""Job, folder, whether in this process -> checkpoint."""


def train_models(
    experiment: Experiment,
    study: Study,
    *,
    training_set: Path,
    train: Train,
) -> tuple[dict[str, Path], dict[str, float]]:
    """Train what is missing, some models beside each other.

    Returns:
        Model -> its checkpoint, and model -> the learning rate that it was trained with.
    """
    if study.in_process:
        experiment = replace(experiment, trainer=replace(experiment.trainer, at_once=1))

    def one(sharing: Experiment, name: str) -> tuple[Path, float]:
        job = model_job(sharing, name, training_set=training_set)
        if study.learning_rates:
            job = _with_best_rate(job, sharing, study, train=train)
        return _trained(job, sharing.workspace, study, train=train), job.optimization.learning_rate

    done = train_in_groups(experiment, one)
    return {k: path for k, (path, _) in done.items()}, {k: rate for k, (_, rate) in done.items()}


def _with_best_rate(
    job: TrainingJob, experiment: Experiment, study: Study, *, train: Train
) -> TrainingJob:
    """Try learning rates with the study's first seed; take the best on validation."""
    seed = study.seeds[0] if study.seeds else job.optimization.seed
    epochs = study.search_epochs or job.optimization.max_epochs
    errors: dict[float, float] = {}
    for rate in study.learning_rates:
        trial = replace(job.optimization, learning_rate=rate, max_epochs=epochs, seed=seed)
        checkpoint = _trained(
            replace(job, optimization=trial), experiment.workspace, study, train=train
        )
        curve = read_curves(checkpoint.parent / "metrics.csv")["val_mse"]
        errors[rate] = min(value for _, value in curve)
    best = min(errors, key=lambda rate: errors[rate])
    return replace(job, optimization=replace(job.optimization, learning_rate=best))


def _trained(job: TrainingJob, workspace: Path, study: Study, *, train: Train) -> Path:
    """Train one model, or find it trained."""
    return train_model(
        job, workspace=workspace, train=lambda job, folder: train(job, folder, study.in_process)
    )
