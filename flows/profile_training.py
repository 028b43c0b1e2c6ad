"""Where the time and memory of an experiment's trainings go; trains nothing for keeps."""

import sys
from pathlib import Path

from prefect import flow

from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.settings.compose import resolve
from flows.settings.config import Experiment, load_experiment
from flows.settings.early_checks import check_trainer
from flows.stages.prepare_data import prepare, update_archive
from pipelines.errors import DataError
from pipelines.training.job import TrainingJob
from pipelines.training.network_grid import network_on_grid
from pipelines.training.profile import profile_job

__all__ = ["profile_training"]

_CONFIG = "profile_training"


@flow(name="profile-training", flow_run_name=run_name, validate_parameters=False)
def profile_training(overrides: list[str]) -> dict[str, float]:
    """Print tables of a training step for each model that is asked for.

    Args:
        overrides: those of `full_experiment`, and `profile.models` and `profile.num_batches`.

    Returns:
        The share of the machine's matrix product peak that each model's training reaches.
    """
    settings = resolve(overrides, config=_CONFIG)["profile"]
    experiment = load_experiment(overrides, config=_CONFIG)
    if settings["num_batches"] < 1:
        raise DataError(f"profile.num_batches is {settings['num_batches']}; expected at least 1")
    check_trainer(experiment.trainer)
    names = settings["models"] or list(experiment.models)
    for name in names:
        if name not in experiment.models:
            known = ", ".join(experiment.models)
            raise DataError(f"profile.models has {name!r}; expected some of: {known}")
    training_set = prepare(experiment, update_archive(experiment))
    console = result_console()
    shares = {}
    for name in names:
        profile = profile_job(
            _job(experiment, name, str(training_set)), num_batches=settings["num_batches"]
        )
        console.print(f"\n[bold]{name}[/bold] of {experiment.name}")
        console.print(str(profile), markup=False)
        shares[name] = profile.achieved_share
    return shares


def _job(experiment: Experiment, name: str, training_set: str) -> TrainingJob:
    """Describe a training as `full_experiment` would."""
    model = experiment.models[name]
    return TrainingJob(
        name=name,
        training_set=training_set,
        training_set_fingerprint="",
        window=experiment.window,
        network=network_on_grid(model.network, Path(training_set), window=experiment.window),
        objective=model.objective,
        optimization=model.optimization,
        trainer=experiment.trainer,
        provenance={},
    )


if __name__ == "__main__":
    run_from_console(profile_training, sys.argv[1:])
