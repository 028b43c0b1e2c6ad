"""What a month's scores and drift say, in the terms of the promotion rule."""

from dataclasses import replace

from flows.monthly.stages import CHALLENGER, CHAMPION
from flows.settings.monthly import MonthlySettings
from pipelines.evaluation.summary import open_scores
from pipelines.retraining.comparison import Comparison, compare_models
from pipelines.retraining.drift import Drift
from pipelines.retraining.outcome import Outcome
from pipelines.retraining.plan import RetrainingPlan
from pipelines.retraining.promotion import Decision, Facts
from pipelines.run_folder import RunFolder

__all__ = ["gather_facts", "outcome_of"]


def gather_facts(
    settings: MonthlySettings,
    run: RunFolder,
    *,
    drift: Drift,
    has_champion: bool,
) -> Facts:
    """Gather what the rule decides on from the scores of a month."""
    rule, experiment = settings.promotion, settings.experiment
    scores = open_scores(run.scores)
    errors = {str(k): float(v) for k, v in scores["normalized_rmse"].to_series().items()}
    comparison: Comparison | None = None
    if has_champion:
        comparison = compare_models(
            run.statistics,
            challenger=CHALLENGER,
            champion=CHAMPION,
            channels=tuple(map(str, scores["channel"].values)),
            lead_hours=experiment.window.target_hours,
            bootstrap=replace(experiment.evaluation.scoring.bootstrap, confidence=rule.confidence),
            metric=rule.metric,
        )
    return Facts(
        normalized_rmse=errors[CHALLENGER],
        yardstick_rmse=None if rule.yardstick is None else errors[rule.yardstick],
        comparison=comparison,
        drift=drift.largest,
        drift_where=drift.where,
    )


def outcome_of(
    settings: MonthlySettings,
    plan: RetrainingPlan,
    base: Outcome,
    *,
    facts: Facts,
    decision: Decision,
    started: str,
) -> Outcome:
    """Write down what was found and decided."""
    compared = facts.comparison
    p_value = None
    if compared is not None:
        plain = compared.as_dict()
        by_bootstrap = settings.promotion.test == "block_bootstrap"
        p_value = plain["bootstrap_p_value" if by_bootstrap else "dm_p_value"]
    return replace(
        base,
        action=decision.word,
        reasons=decision.reasons,
        snapshot_id=plan.snapshot_id,
        champion_before=plan.champion,
        score=facts.normalized_rmse if compared is None else compared.challenger,
        champion_score=None if compared is None else compared.champion,
        improvement=None if compared is None else compared.improvement,
        p_value=p_value,
        yardstick_score=facts.yardstick_rmse,
        drift=facts.drift,
        started_from=started,
    )
