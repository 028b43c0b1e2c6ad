"""The stages of a month's retraining as Prefect tasks; each finds what is done already."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import met2net
from flows.settings.config import REGISTERED
from flows.settings.monthly import MonthlySettings
from flows.stages.gpu_slot import gpu_slot
from flows.stages.live_training import shown_in_mlflow
from flows.stages.model_job import model_job
from flows.stages.prepare_data import build_with_static_fields
from flows.stages.retrying import is_worth_retrying
from flows.stages.stage import stage
from flows.stages.train_model import train_model
from met2net.checkpoint import load_checkpoint
from pipelines.archive.ingest import ingest
from pipelines.archive.reconcile import reconcile
from pipelines.archive.state import ArchiveState
from pipelines.evaluation.identity import ScoredModels
from pipelines.evaluation.scored_run import score_run, show_examples
from pipelines.period import Month, Period
from pipelines.registry.versions import fetch_checkpoint
from pipelines.retraining.arrival import as_moment
from pipelines.retraining.drift import Drift, measure_drift
from pipelines.retraining.plan import RetrainingPlan
from pipelines.run_folder import RunFolder
from pipelines.sources.static_source import raw_static_fields
from pipelines.training.initial_weights import InitialWeights
from pipelines.training.network_grid import network_on_grid
from pipelines.training.warm_start import is_same_network

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "bring_in",
    "fetch_champion",
    "measure",
    "prepare",
    "replace_finals",
    "score",
    "train_challenger",
]

CHALLENGER, CHAMPION = "challenger", "champion"
"""Names of the two in scores and folders."""


@stage("replace months that became final", tags=["network"], retries=2,
      retry_delay_seconds=[10, 60], retry_condition_fn=is_worth_retrying)  # fmt: skip
def replace_finals(settings: MonthlySettings, now: datetime) -> tuple[str, ...]:
    """Fetch the months again whose preliminary hours should be final by now."""
    chosen: list[Month] = []

    def choose(preliminary: list[Month]) -> list[Month]:
        chosen.extend(settings.arrival.due(preliminary, now))
        return chosen

    experiment = settings.experiment
    reconcile(
        settings.source,
        fields=settings.fields,
        grid=settings.grid,
        raw_folder=experiment.workspace / "raw",
        step_hours=experiment.step_hours,
        path=settings.archive,
        # What came today is recent enough to go on with after a crash.
        received_after=as_moment(now).astype("datetime64[D]").astype("datetime64[s]"),
        accept=experiment.accept,
        choose=choose,
    )
    return tuple(map(str, chosen))


@stage("bring in months", tags=["network"], retries=2,
      retry_delay_seconds=[10, 60], retry_condition_fn=is_worth_retrying)  # fmt: skip
def bring_in(settings: MonthlySettings, month: Month) -> ArchiveState:
    """Append, verified one by one, the months up to the newest."""
    experiment = settings.experiment
    raw_static_fields(
        settings.source, experiment.static_fields, raw_folder=experiment.workspace / "raw"
    )
    return ingest(
        settings.source,
        period=Period(settings.period.start, str(month)),
        fields=settings.fields,
        grid=settings.grid,
        raw_folder=experiment.workspace / "raw",
        step_hours=experiment.step_hours,
        path=settings.archive,
        accept=experiment.accept,
    )


@stage("prepare training set")
def prepare(settings: MonthlySettings, archive: ArchiveState, plan: RetrainingPlan) -> Path:
    """Build the training set of the planned splits."""
    return build_with_static_fields(settings.experiment, archive, splits=plan.splits)


@stage("measure drift")
def measure(settings: MonthlySettings, training_set: Path, month: str) -> Drift:
    """Compare the new month with the training split."""
    return measure_drift(training_set, month=Month.parse(month), limits=settings.drift)


@stage("train challenger", tags=["training"])
def train_challenger(
    settings: MonthlySettings,
    plan: RetrainingPlan,
    training_set: Path,
    champion: Path | None,
    run: RunFolder,
    *,
    fingerprint: str,
) -> tuple[Path, str]:
    """Train, from the champion's weights or from random ones; say which."""
    experiment = settings.experiment
    start, started_from = None, "scratch"
    if settings.start == CHAMPION and champion is not None:
        network = network_on_grid(
            experiment.models[REGISTERED].network, training_set, window=experiment.window
        )
        if is_same_network(load_checkpoint(champion), network):
            start, started_from = InitialWeights.of(champion), f"version {plan.champion}"
        else:
            started_from = f"scratch, since version {plan.champion} is another network"
    job = model_job(
        experiment,
        REGISTERED,
        name=CHALLENGER,
        training_set=training_set,
        provenance={
            "month": plan.month,
            "started_from": started_from,
            "archive_snapshot": plan.snapshot_id,
            **{name: str(period) for name, period in plan.splits.periods().items()},
            "met2net": met2net.__version__,
        },
        initial_weights=start,
    )
    shown = partial(
        shown_in_mlflow, network=CHALLENGER, tracking_uri=experiment.tracking_uri,
        workspace=experiment.workspace, experiment=f"{experiment.name}-monthly",
        fingerprint=fingerprint, name=plan.month,
    )  # fmt: skip
    checkpoint = train_model(job, workspace=experiment.workspace, shown=shown)
    run.link_model(CHALLENGER, checkpoint.parent)
    return checkpoint, started_from


@stage("score")
def score(
    settings: MonthlySettings,
    training_set: Path,
    checkpoints: Mapping[str, Path],
    run: RunFolder,
) -> None:
    """Score challenger, champion and baselines on the same windows of the newest months."""
    experiment = settings.experiment
    evaluation, device = experiment.evaluation, experiment.trainer.torch_device
    models = ScoredModels(training_set, experiment.window, "test", checkpoints, experiment.protocol)
    with gpu_slot(device):
        score_run(
            run, models, scoring=evaluation.scoring, batch_size=evaluation.batch_size,
            device=device,
        )  # fmt: skip
    show_examples(run, models, num=evaluation.num_examples)


@stage("fetch champion")
def fetch_champion(settings: MonthlySettings, plan: RetrainingPlan, run: RunFolder) -> Path | None:
    """Copy the planned champion's checkpoint out of the registry; None where there is none.

    Copied anew each time: a registry that was made again may give a number twice.
    """
    if plan.champion is None:
        return None
    path = run.path / f"champion-{plan.champion}.safetensors"
    experiment = settings.experiment
    return fetch_checkpoint(
        experiment.registered_model,
        plan.champion,
        tracking_uri=experiment.tracking_uri,
        out=path,
    )
