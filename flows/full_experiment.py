"""The main job: from a source of weather to a scored, explained, registered forecaster."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr
from prefect import flow

import met2net
from flows.archive_location import archive_location
from flows.cds_secret import use_secret
from flows.config import REGISTERED, Experiment, load_experiment
from flows.console import run_from_console
from flows.gpu_slot import gpu_slot
from flows.model_job import model_job
from flows.published import published_for
from flows.result_console import result_console
from flows.retrying import is_worth_retrying
from flows.run_name import run_name
from flows.stage import stage
from flows.study import Stages, load_study, run_study
from met2net.checkpoint import load_checkpoint
from met2net.variables import required_fields
from pipelines.analyze import analyze
from pipelines.archive import ArchiveState
from pipelines.atomic import write_text
from pipelines.evaluate import evaluate, write_examples
from pipelines.fingerprint import fingerprint
from pipelines.image_sequences.sequence_set import SequenceSetSettings, build_sequence_set
from pipelines.image_sequences.sequences import SequenceFiles, SequenceSource
from pipelines.ingest import ingest
from pipelines.prepare import TrainingSetSettings, build_training_set
from pipelines.registry import register
from pipelines.report import write_report
from pipelines.score_summary import open_scores, verdict
from pipelines.score_table import scores_table
from pipelines.storm_checks import check_storms
from pipelines.storms import storm_file, track_storms
from pipelines.tracking import track_run
from pipelines.train import train
from pipelines.train_here import train_here
from pipelines.training_job import TrainingJob

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
    use_secret(experiment.prefect_secret)
    archive = update_archive(experiment)
    training_set = prepare(experiment, archive)
    run_folder = open_run_folder(experiment, training_set)
    check_storms(training_set, window=experiment.window, split=experiment.evaluation.split,
                 storms=experiment.evaluation.storms)  # fmt: skip
    checkpoints = {
        name: stage(f"train {name}")(_train)(experiment, name, archive, training_set, run_folder)
        for name in experiment.models
    }
    score(experiment, training_set, checkpoints, run_folder)
    explain(experiment, training_set, checkpoints, run_folder)
    report = write_page(experiment, archive, training_set, checkpoints, run_folder)
    version = track_and_register(experiment, archive, checkpoints, run_folder)
    _tell(experiment, run_folder, version)
    return str(report)


@stage("update archive", retries=2, retry_delay_seconds=[10, 60],
      retry_condition_fn=is_worth_retrying)  # fmt: skip
def update_archive(experiment: Experiment) -> ArchiveState | SequenceFiles:
    """Fetch what the period needs and the archive lacks; image sequences are files, no archive."""
    if isinstance(experiment.source, SequenceSource):
        return experiment.source.files()
    assert experiment.period is not None and experiment.grid is not None
    fields = required_fields(experiment.channels)
    return ingest(
        experiment.source,
        period=experiment.period,
        fields=fields,
        grid=experiment.grid,
        raw_folder=experiment.workspace / "raw",
        path=archive_location(
            experiment.archive_root,
            experiment.workspace,
            source=experiment.source,
            fields=fields,
            grid=experiment.grid,
        ),
    )


@stage("prepare training set")
def prepare(experiment: Experiment, archive: ArchiveState | SequenceFiles) -> Path:
    """Normalize one archive snapshot, or image sequences, into a training set."""
    folder = experiment.workspace / "training_sets"
    if isinstance(experiment.source, SequenceSource):
        sequences = SequenceSetSettings(
            variables=experiment.variables,
            splits=experiment.splits,
            normalization=experiment.normalization,
        )
        return build_sequence_set(experiment.source, sequences, folder=folder)
    assert isinstance(archive, ArchiveState)
    settings = TrainingSetSettings(
        variables=experiment.variables,
        splits=experiment.splits,
        normalization=experiment.normalization,
    )
    return build_training_set(
        archive,
        settings,
        folder=folder,
        cluster=experiment.cluster,
    )


def open_run_folder(experiment: Experiment, training_set: Path) -> Path:
    """Give the folder of this experiment on this training set; keep its settings there."""
    key = fingerprint(experiment.science, training_set.stem)
    folder = experiment.workspace / "runs" / f"{experiment.name}-{key}"
    write_text(folder / "config.yaml", experiment.yaml)
    return folder


def train_one(job: TrainingJob, folder: Path, in_process: bool) -> Path:
    """Train one model of a table or figure as a task."""
    run = train_here if in_process else train
    return stage(f"train {job.name}")(run)(job, folder=folder)


def _train(
    experiment: Experiment,
    name: str,
    archive: ArchiveState | SequenceFiles,
    training_set: Path,
    run_folder: Path,
) -> Path:
    """Train one model in its own process."""
    job = model_job(
        experiment,
        name,
        training_set=training_set,
        provenance={
            "archive_snapshot": archive.snapshot_id,
            "settings_fingerprint": _settings_key(run_folder),
        },
    )
    with gpu_slot(experiment.trainer.torch_device):
        return train(job, folder=run_folder / "models" / name)


@stage("score")
def score(
    experiment: Experiment, training_set: Path, checkpoints: Mapping[str, Path], run_folder: Path
) -> None:
    """Score every model and baseline, and work some windows for people to look at."""
    settings = experiment.evaluation
    if (run_folder / "example.nc").is_file() and (run_folder / "scores.json").is_file():
        return
    with gpu_slot(experiment.trainer.torch_device):
        evaluate(
            training_set,
            window=experiment.window,
            split=settings.split,
            checkpoints=checkpoints,
            out=run_folder,
            batch_size=settings.batch_size,
            device=experiment.trainer.torch_device,
            scoring=settings.scoring,
            protocol=experiment.protocol,
        )
    write_examples(
        training_set,
        window=experiment.window,
        split=settings.split,
        checkpoints=checkpoints,
        out=run_folder,
        num=settings.num_examples,
        protocol=experiment.protocol,
    )


@stage("explain")
def explain(
    experiment: Experiment, training_set: Path, checkpoints: Mapping[str, Path], run_folder: Path
) -> None:
    """Compute CKA between variables and the attention between them; follow storms."""
    settings = experiment.evaluation
    if not (run_folder / "analysis.nc").is_file():
        # It measures training steps: another training beside it would make them slower, and
        # might leave no memory.
        with gpu_slot(experiment.trainer.torch_device):
            analyze(
                training_set,
                window=experiment.window,
                split=settings.split,
                checkpoints=checkpoints,
                out=run_folder,
                num_samples=settings.num_analysis_samples,
                seed=experiment.seed,
            )
    storms = [name for name in settings.storms if not storm_file(run_folder, name).is_file()]
    if storms:
        with gpu_slot(experiment.trainer.torch_device):
            track_storms(
                training_set,
                window=experiment.window,
                split=settings.split,
                checkpoints=checkpoints,
                storms=storms,
                out=run_folder,
                batch_size=settings.batch_size,
                device=experiment.trainer.torch_device,
            )


@stage("write report")
def write_page(
    experiment: Experiment,
    archive: ArchiveState | SequenceFiles,
    training_set: Path,
    checkpoints: Mapping[str, Path],
    run_folder: Path,
) -> Path:
    """Draw the figures and write the page."""
    periods = {name: str(period) for name, period in experiment.splits.periods().items()}
    return write_report(
        run_folder,
        title=experiment.title,
        provenance={
            "Experiment": experiment.name,
            "Source": experiment.source.name,
            "Archive snapshot": archive.snapshot_id,
            "Training set": training_set.stem,
            "Settings fingerprint": _settings_key(run_folder),
            "Git commit": _trained_by(checkpoints[REGISTERED]),
            "met2net": met2net.__version__,
            "Seed": str(experiment.seed),
            "Protocol": experiment.protocol.name,
            **{f"Split: {name}": text for name, text in periods.items()},
        },
        attribution=experiment.source.attribution,
        out=run_folder / "report.html",
        network=REGISTERED,
        published=published_for(experiment),
        maps=experiment.evaluation.maps,
    )


@stage("register")
def track_and_register(
    experiment: Experiment,
    archive: ArchiveState | SequenceFiles,
    checkpoints: Mapping[str, Path],
    run_folder: Path,
) -> str:
    """Log the run to MLflow and register its forecaster, once."""
    tags = {
        "archive_snapshot": archive.snapshot_id,
        "git_commit": _trained_by(checkpoints[REGISTERED]),
        "settings_fingerprint": _settings_key(run_folder),
        "protocol": experiment.protocol.name,
    }
    run_id = track_run(
        run_folder,
        tracking_uri=experiment.tracking_uri,
        experiment=experiment.name,
        fingerprint=_settings_key(run_folder),
        settings=experiment.resolved,
        tags=tags,
    )
    with xr.open_dataset(run_folder / "example.nc") as examples:
        inputs = examples["inputs"].values
    return register(
        checkpoints[REGISTERED],
        name=experiment.registered_model,
        tracking_uri=experiment.tracking_uri,
        run_id=run_id,
        example=inputs,
        scores=run_folder / "scores.nc",
        figures=sorted((run_folder / "figures").glob("*.png")),
        tags=tags,
        model=REGISTERED,
        now=datetime.now(UTC),
    )


def _trained_by(checkpoint: Path) -> str:
    """Give the commit of the code that trained a model, which may be older than this one."""
    return load_checkpoint(checkpoint).provenance["git_commit"]


def _settings_key(run_folder: Path) -> str:
    """Give the fingerprint that ends a run folder's name."""
    return run_folder.name.rsplit("-", 1)[1]


def _tell(experiment: Experiment, run_folder: Path, version: str) -> None:
    """Print scores, verdict and where things are."""
    console = result_console()
    console.print(scores_table(run_folder / "scores.nc"))
    console.print(str(verdict(open_scores(run_folder / "scores.nc"), network=REGISTERED)))
    console.print(f"Registered: models:/{experiment.registered_model}/{version}")
    console.print(f"Report: {run_folder / 'report.html'}", soft_wrap=True)


if __name__ == "__main__":
    run_from_console(full_experiment, sys.argv[1:])
