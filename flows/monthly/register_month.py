"""A month's challenger in the registry: its version, its tags, and what was decided."""

import json
from datetime import datetime
from pathlib import Path

import xarray as xr

from flows.monthly.stages import CHALLENGER
from flows.settings.monthly import MonthlySettings
from flows.stages.stage import stage
from met2net.checkpoint import load_checkpoint
from pipelines.registry.aliases import alias_history, champions, promote
from pipelines.registry.register import register
from pipelines.registry.versions import RegisteredVersion, list_versions
from pipelines.retraining.plan import RetrainingPlan
from pipelines.retraining.promotion import Decision
from pipelines.run_folder import RunFolder
from pipelines.tracking.track_run import log_files, track_run

__all__ = ["finish_decision", "register_challenger"]


@stage("register and decide")
def register_challenger(
    settings: MonthlySettings,
    plan: RetrainingPlan,
    decision: Decision,
    *,
    checkpoint: Path,
    run: RunFolder,
    fingerprint: str,
    now: datetime,
) -> str:
    """Log the month's run, register the challenger once, and carry the decision out once.

    Returns:
        The version.
    """
    experiment = settings.experiment
    tags = {
        "archive_snapshot": plan.snapshot_id,
        "git_commit": load_checkpoint(checkpoint).provenance["git_commit"],
        "settings_fingerprint": fingerprint,
        "science_fingerprint": settings.science_key,
        "scores_fingerprint": run.made_from("scores") or "",
        "protocol": experiment.protocol.name,
        "month": plan.month,
        "decision": decision.word,
        "reasons": json.dumps(decision.reasons),
        "decided_at": now.isoformat(),
        "champion_before": plan.champion or "none",
    }
    run_id = track_run(
        run,
        tracking_uri=experiment.tracking_uri,
        experiment=f"{experiment.name}-monthly",
        fingerprint=fingerprint,
        settings=experiment.resolved,
        tags=tags,
        name=plan.month,
    )
    files = [run.path / name for name in ("drift.json", "plan.json")]
    log_files(run_id, files, tracking_uri=experiment.tracking_uri)
    with xr.open_dataset(run.examples, decode_timedelta=False) as examples:
        inputs, init_time = examples["inputs"].values, examples["init_time"].values
    version = register(
        checkpoint,
        name=experiment.registered_model,
        tracking_uri=experiment.tracking_uri,
        run_id=run_id,
        example=inputs,
        example_time=init_time,
        scores=run.scores,
        figures=sorted(run.figures.glob("*.png")),
        tags=tags | {"registered_at": now.isoformat()},
        model=CHALLENGER,
        may_be_champion=decision.promote,
        now=now,
    )
    versions = list_versions(experiment.registered_model, tracking_uri=experiment.tracking_uri)
    registered = next(v for v in versions if v.version == version)
    finish_decision(settings, registered, now=now)
    return version


def finish_decision(
    settings: MonthlySettings, version: RegisteredVersion, *, now: datetime
) -> None:
    """Promote a version that its tags say is promoted, unless it was champion before.

    A version that was champion and was rolled back stays where the rollback put it.
    """
    experiment = settings.experiment
    name, uri = experiment.registered_model, experiment.tracking_uri
    if version.tags.get("decision") != "promoted":
        return
    if version.version in champions(alias_history(name, tracking_uri=uri)):
        return
    promote(
        name,
        version.version,
        tracking_uri=uri,
        reason=f"{version.tags['month']}: " + "; ".join(json.loads(version.tags["reasons"])),
        now=now,
    )
