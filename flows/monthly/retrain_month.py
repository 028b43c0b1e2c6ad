"""One month of the retraining: new data, a challenger, a decision; every step once."""

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from flows.monthly.judge_month import gather_facts, outcome_of
from flows.monthly.pages import write_month_page, write_report
from flows.monthly.register_month import finish_decision, register_challenger
from flows.monthly.stages import (
    CHALLENGER,
    CHAMPION,
    bring_in,
    fetch_champion,
    measure,
    prepare,
    replace_finals,
    score,
    train_challenger,
)
from flows.settings.monthly import MonthlySettings
from pipelines.archive.state import ArchiveState, current_state
from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint
from pipelines.period import Month
from pipelines.registry.aliases import alias_history, champion_on
from pipelines.registry.versions import list_versions, version_of_month
from pipelines.retraining.outcome import Outcome, read_outcome, write_outcome
from pipelines.retraining.plan import RetrainingPlan, pinned
from pipelines.retraining.promotion import decide
from pipelines.run_folder import RunFolder
from pipelines.training.initial_weights import InitialWeights

__all__ = ["retrain_month"]

_log = logging.getLogger("flows.monthly.retrain_month")


def retrain_month(settings: MonthlySettings, now: datetime) -> Outcome:
    """Bring an archive and a model up to the newest month at a moment.

    Called again, it finds what is done: a month makes one version and one decision.

    Args:
        settings: of the retraining.
        now: the moment, with its zone.

    Raises:
        DataError: if the data are not what they must be; nothing is trained then.
        TrainingError: if the training ends without a model.
    """
    month = settings.arrival.newest_month(now)
    nothing = Outcome(str(month), "nothing", (), now.isoformat())
    if month.first_hour < Month.of(settings.period.first).first_hour:
        reason = f"the newest complete month is {month}; the archive starts later"
        return replace(nothing, reasons=(reason,))
    before = current_state(settings.archive)
    replaced = () if before is None else replace_finals(settings, now)
    archive = bring_in(settings, month)
    gained = sorted(set(archive.months) - set(before.months if before else ()))
    base = replace(
        nothing, snapshot_id=archive.snapshot_id, new_months=tuple(gained), replaced_months=replaced
    )
    folder = settings.month_folder(str(month))
    if (done := _already_done(settings, folder, base)) is not None:
        return done
    try:
        splits = settings.rolling.splits(_first_hour(archive), month)
    except DataError as error:
        return replace(base, reasons=(str(error),))
    plan = pinned(
        RetrainingPlan(str(month), base.now, archive.snapshot_id, splits, _champion(settings, now)),
        folder / "plan.json",
    )
    _log.info("%s: champion %s, test %s", month, plan.champion or "none", splits.test)
    return _challenge(settings, plan, archive, base=base, now=now)


def _challenge(
    settings: MonthlySettings,
    plan: RetrainingPlan,
    archive: ArchiveState,
    *,
    base: Outcome,
    now: datetime,
) -> Outcome:
    """Train, score, decide, register, promote or decline."""
    run = RunFolder(settings.month_folder(plan.month))
    write_text(run.config, settings.experiment.yaml)
    training_set = prepare(settings, plan.archive(archive), plan)
    drift = measure(settings, training_set, plan.month)
    write_text(run.path / "drift.json", drift.to_json())
    champion = fetch_champion(settings, plan, run)
    key = _version_key(settings, training_set, champion)
    challenger, started_from = train_challenger(
        settings, plan, training_set, champion, run, fingerprint=key
    )
    checkpoints = {CHALLENGER: challenger} | ({CHAMPION: champion} if champion else {})
    score(settings, training_set, checkpoints, run)
    facts = gather_facts(settings, run, drift=drift, has_champion=champion is not None)
    decision = decide(settings.promotion, facts)
    outcome = outcome_of(settings, plan, base, facts=facts, decision=decision, started=started_from)
    write_report(settings, plan, outcome, run)
    version = register_challenger(
        settings, plan, decision, checkpoint=challenger, run=run, now=now,
        fingerprint=key,
    )  # fmt: skip
    outcome = replace(
        outcome,
        version=version,
        champion=_champion(settings, now),
        report=str(run.path / "month.html"),
    )
    write_month_page(settings, plan, outcome, drift, run)
    write_outcome(run.path / "outcome.json", outcome)
    return outcome


def _already_done(settings: MonthlySettings, folder: Path, base: Outcome) -> Outcome | None:
    """Give the month's outcome where it was decided; finish a decision that was interrupted.

    The record in the folder says so, or, where the folder is gone, the registry.
    """
    experiment = settings.experiment
    version = None
    if (folder / "outcome.json").is_file():
        version = read_outcome(folder / "outcome.json").version
        known = list_versions(experiment.registered_model, tracking_uri=experiment.tracking_uri)
        # Another registry, or one that was made again, does not know what was decided here.
        if version not in [v.version for v in known if v.tags.get("month") == base.month]:
            return None
    if version is None:
        found = version_of_month(
            experiment.registered_model, base.month, tracking_uri=experiment.tracking_uri,
            science=settings.science_key,
        )  # fmt: skip
        if found is None or (folder / "plan.json").is_file():
            return None
        finish_decision(settings, found, now=datetime.fromisoformat(base.now))
        version = found.version
    reason = f"{base.month} is decided already: version {version}"
    now = datetime.fromisoformat(base.now)
    return replace(base, version=version, champion=_champion(settings, now), reasons=(reason,))


def _champion(settings: MonthlySettings, now: datetime) -> str | None:
    """Give the version that is champion at a moment."""
    experiment = settings.experiment
    history = alias_history(
        experiment.registered_model, tracking_uri=experiment.tracking_uri, now=now
    )
    change = champion_on(history, now)
    return None if change is None else change.version


def _version_key(settings: MonthlySettings, training_set: Path, champion: Path | None) -> str:
    """Name everything that a challenger depends on."""
    started = None if champion is None else InitialWeights.of(champion).sha256
    return fingerprint(settings.science_key, training_set.stem, started)


def _first_hour(archive: ArchiveState) -> np.datetime64:
    """Give the archive's first hour."""
    hour: np.datetime64 = archive.open()["time"].values[0].astype("datetime64[h]")
    return hour
