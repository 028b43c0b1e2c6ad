"""The main job: from a source of weather to a scored, explained, registered forecaster."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import xarray as xr
from prefect import flow

import met2net
from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.settings.config import REGISTERED, Experiment, load_experiment
from flows.settings.early_checks import check_early
from flows.settings.published import published_for
from flows.stages.cds_secret import use_secret
from flows.stages.gpu_slot import gpu_slot
from flows.stages.live_training import shown_in_mlflow
from flows.stages.model_job import model_job
from flows.stages.prepare_data import fit_ridge, prepare, update_archive
from flows.stages.side_by_side import train_in_groups
from flows.stages.stage import stage
from flows.stages.train_model import train_model
from flows.studies.study import Stages, load_study, run_study
from met2net.checkpoint import load_checkpoint
from met2net.data.training_set import TrainingSet
from pipelines.atomic import write_text
from pipelines.evaluation.identity import ScoredModels
from pipelines.evaluation.score_checks import check_scoring
from pipelines.evaluation.scored_run import (
    analyze_run,
    follow_storms,
    forget_storms,
    gather_costs,
    score_run,
    show_examples,
)
from pipelines.evaluation.summary import open_scores, verdict
from pipelines.evaluation.terminal_table import scores_table
from pipelines.fingerprint import fingerprint
from pipelines.registry.register import register
from pipelines.report.page import report_run
from pipelines.run_folder import RunFolder
from pipelines.storms.checks import check_storms
from pipelines.tracking.track_run import track_run
from pipelines.training.job import TrainingJob
from pipelines.training.train import train

__all__ = ["full_experiment"]


@flow(name="full-experiment", flow_run_name=run_name, validate_parameters=False)
def full_experiment(overrides: list[str]) -> str:
    """Run an experiment; every stage skips itself where its result is there already.

    Args:
        overrides: Hydra overrides, as `["experiment=demo", "seed=1"]`.

    Returns:
        Path of the report; of a table or figure of the paper, the folder of its results.

    Raises:
        DataError: if a setting or the input data are not what they must be.
        TrainingError: if a training process ends without a model.
    """
    study = load_study(overrides)
    if study is not None:
        stages = Stages(update_archive=update_archive, prepare=prepare, score=score,
                        explain=explain, train=train_one)  # fmt: skip
        return str(run_study(study, overrides, stages=stages))
    experiment = load_experiment(overrides)
    check_early(experiment)
    use_secret(experiment.prefect_secret)
    archive = update_archive(experiment)
    training_set = prepare(experiment, archive)
    run = open_run_folder(experiment, training_set)
    check_scoring(training_set, window=experiment.window, evaluation=experiment.evaluation)
    check_storms(training_set, window=experiment.window, split=experiment.evaluation.split,
                 storms=experiment.evaluation.storms)  # fmt: skip
    fit_ridge(experiment, training_set)
    checkpoints = train_all(experiment, training_set, run)
    models = scored_models(experiment, training_set, checkpoints)
    score(experiment, models, run)
    explain(experiment, models, run)
    write_page(experiment, models, run)
    version = track_and_register(experiment, models, run)
    _tell(experiment, run, version)
    return str(run.report)


def open_run_folder(experiment: Experiment, training_set: Path) -> RunFolder:
    """Give the folder of this experiment on this training set; keep its settings there."""
    key = _settings_key(experiment, training_set)
    run = RunFolder(experiment.workspace / "runs" / f"{experiment.name}-{key}")
    write_text(run.config, experiment.yaml)
    return run


def train_one(job: TrainingJob, folder: Path, in_process: bool) -> Path:
    """Train one model of a table or figure as a task."""
    return stage(f"train {job.name}")(train)(job, folder=folder, in_process=in_process)


def train_all(experiment: Experiment, training_set: Path, run: RunFolder) -> dict[str, Path]:
    """Train every model, some beside each other; give their checkpoints."""

    def one(sharing: Experiment, name: str) -> Path:
        return stage(f"train {name}")(_train)(sharing, name, training_set, run)

    return train_in_groups(experiment, one)


def _train(experiment: Experiment, name: str, training_set: Path, run: RunFolder) -> Path:
    """Train one model in its own process, or find it trained for whatever run."""
    shown = partial(
        shown_in_mlflow, network=name, tracking_uri=experiment.tracking_uri,
        workspace=experiment.workspace, experiment=experiment.name,
        fingerprint=_settings_key(experiment, training_set),
    )  # fmt: skip
    job = model_job(experiment, name, training_set=training_set)
    checkpoint = train_model(job, workspace=experiment.workspace, shown=shown)
    run.link_model(name, checkpoint.parent)
    return checkpoint


def scored_models(
    experiment: Experiment, training_set: Path, checkpoints: Mapping[str, Path]
) -> ScoredModels:
    """Say on what the trained models of an experiment are scored."""
    return ScoredModels(
        training_set, experiment.window, experiment.evaluation.split, checkpoints,
        experiment.protocol,
    )  # fmt: skip


@stage("score")
def score(experiment: Experiment, models: ScoredModels, run: RunFolder) -> None:
    """Score every model and baseline, and work some windows for people to look at."""
    settings, device = experiment.evaluation, experiment.trainer.torch_device
    with gpu_slot(device):
        score_run(
            run, models, scoring=settings.scoring, batch_size=settings.batch_size, device=device
        )
    show_examples(run, models, num=settings.num_examples)


@stage("explain")
def explain(experiment: Experiment, models: ScoredModels, run: RunFolder) -> None:
    """Compute CKA between variables and the attention between them; follow storms."""
    settings, device = experiment.evaluation, experiment.trainer.torch_device
    with gpu_slot(device):
        analyze_run(run, models, num_samples=settings.num_analysis_samples, seed=experiment.seed)
        gather_costs(run, models)
        follow_storms(
            run, models, storms=settings.storms, batch_size=settings.batch_size, device=device
        )


@stage("write report")
def write_page(experiment: Experiment, models: ScoredModels, run: RunFolder) -> None:
    """Draw the figures and write the page."""
    forget_storms(run, but=experiment.evaluation.storms)
    periods = {name: str(period) for name, period in experiment.splits.periods().items()}
    data = TrainingSet.open(models.training_set).attrs
    report_run(
        run,
        title=experiment.title,
        provenance={
            "Experiment": experiment.name,
            "Source": experiment.source.name,
            "Archive snapshot": data["archive_snapshot"],
            "Training set": data["fingerprint"],
            "Settings fingerprint": _settings_key(experiment, models.training_set),
            "Git commit": _trained_by(models.checkpoints[REGISTERED]),
            "met2net": met2net.__version__,
            "Seed": str(experiment.seed),
            "Protocol": experiment.protocol.name,
            **{f"Split: {name}": text for name, text in periods.items()},
        },
        attribution=experiment.source.attribution,
        network=REGISTERED,
        published=published_for(experiment),
        maps=experiment.evaluation.maps,
    )


@stage("register")
def track_and_register(experiment: Experiment, models: ScoredModels, run: RunFolder) -> str:
    """Log the run to MLflow and register its forecaster, once."""
    checkpoint = models.checkpoints[REGISTERED]
    key = _settings_key(experiment, models.training_set)
    tags = {
        "archive_snapshot": TrainingSet.open(models.training_set).attrs["archive_snapshot"],
        "git_commit": _trained_by(checkpoint),
        "settings_fingerprint": key,
        "scores_fingerprint": run.made_from("scores") or "",
        "protocol": experiment.protocol.name,
    }
    run_id = track_run(
        run,
        tracking_uri=experiment.tracking_uri,
        experiment=experiment.name,
        fingerprint=key,
        settings=experiment.resolved,
        tags=tags,
    )
    with xr.open_dataset(run.examples) as examples:
        inputs, init_time = examples["inputs"].values, examples["init_time"].values
    return register(
        checkpoint,
        name=experiment.registered_model,
        tracking_uri=experiment.tracking_uri,
        run_id=run_id,
        example=inputs,
        example_time=init_time,
        scores=run.scores,
        figures=sorted(run.figures.glob("*.png")),
        tags=tags,
        model=REGISTERED,
        now=datetime.now(UTC),
    )


def _trained_by(checkpoint: Path) -> str:
    """Give the commit of the code that trained a model, which may be older than this one."""
    return load_checkpoint(checkpoint).provenance["git_commit"]


def _settings_key(experiment: Experiment, training_set: Path) -> str:
    """Name what the experiment asks for on a training set: its run folder, its run in MLflow."""
    return fingerprint(experiment.science, training_set.stem)


def _tell(experiment: Experiment, run: RunFolder, version: str) -> None:
    """Print scores, verdict and where things are."""
    console = result_console()
    console.print(scores_table(run.scores))
    console.print(str(verdict(open_scores(run.scores), network=REGISTERED)))
    console.print(f"Registered: models:/{experiment.registered_model}/{version}")
    console.print(f"Report: {run.report}", soft_wrap=True)


if __name__ == "__main__":
    run_from_console(full_experiment, sys.argv[1:])
