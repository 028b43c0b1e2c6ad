from dataclasses import replace

import numpy as np
import pytest

from pipelines.retraining.comparison import Comparison
from pipelines.retraining.promotion import Facts, PromotionRule, decide

COMPARISON = Comparison(
    metric="normalized_rmse", challenger=0.45, champion=0.5, improvement=0.1, improvement_low=0.05,
    improvement_high=0.15, bootstrap_p_value=0.01, dm_statistic=-1.0, dm_p_value=0.3,
    num_windows=700,
)  # fmt: skip
FACTS = Facts(
    normalized_rmse=0.45, yardstick_rmse=0.6, comparison=COMPARISON, drift=0.4,
    drift_where="mean shift of t2m",
)  # fmt: skip


def against(**changes: object) -> Facts:
    return replace(FACTS, comparison=replace(COMPARISON, **changes))


def test_better_surely_and_without_drift_is_promoted_with_every_reason():
    decision = decide(PromotionRule(margin=0.1), FACTS)
    assert decision.promote and decision.word == "promoted"
    assert decision.reasons == (
        "the new month's drift is 0.40 of its limit (mean shift of t2m); the rule allows up to 1",
        "normalized RMSE 0.4500 is below that of persistence, 0.6000",
        "normalized_rmse is 0.4500, the champion's 0.5000: 10.0% better; "
        "the rule asks for at least 10.0%",
        "the paired block bootstrap gives p = 0.010; the rule asks for at most 0.05",
    )


def test_a_first_model_needs_no_champion_to_beat_but_the_yardstick():
    first = replace(FACTS, comparison=None)
    assert decide(PromotionRule(), first).reasons[-1] == "there was no champion"
    bad = replace(first, normalized_rmse=0.7)
    assert not decide(PromotionRule(), bad).promote
    assert decide(PromotionRule(yardstick=None), bad).promote


@pytest.mark.parametrize(
    ("rule", "facts", "reason"),
    [
        (PromotionRule(margin=0.11), FACTS, "the rule asks for at least 11.0%"),
        (PromotionRule(confidence=0.995), FACTS, "p = 0.010; the rule asks for at most 0.005"),
        (PromotionRule(test="diebold_mariano"), FACTS, "paired diebold mariano gives p = 0.300"),
        (PromotionRule(), against(improvement=0.0), "0.0% better; the rule asks for any gain"),
        (PromotionRule(), against(bootstrap_p_value=np.nan), "no p-value on 700 windows"),
        (PromotionRule(), replace(FACTS, drift=1.2), "drift is 1.20 of its limit"),
        (PromotionRule(), replace(FACTS, normalized_rmse=0.6), "not below that of persistence"),
    ],
)  # fmt: skip
def test_each_condition_alone_declines_and_is_the_only_reason(rule, facts, reason):
    decision = decide(rule, facts)
    assert not decision.promote and decision.word == "declined"
    (found,) = decision.reasons
    assert reason in found


def test_surely_worse_is_declined_for_being_worse_alone():
    (reason,) = decide(PromotionRule(), against(improvement=-0.2)).reasons
    assert "20.0% worse" in reason


def test_drift_only_warns_where_the_rule_says_so():
    assert decide(PromotionRule(maximum_drift=None), replace(FACTS, drift=9.0)).promote


@pytest.mark.parametrize(
    "changes",
    [
        {"margin": -0.1},
        {"margin": 1.0},
        {"confidence": 1.0},
        {"test": "t"},
        {"yardstick": "luck"},
        {"maximum_drift": 0},
    ],
)
def test_a_rule_out_of_range_is_refused(changes):
    with pytest.raises(ValueError, match="expected"):
        PromotionRule(**changes)
