"""Whether a challenger becomes champion: a rule, the facts, and a decision with its reasons."""

import math
from dataclasses import dataclass
from typing import Literal

from pipelines.evaluation.p_value_text import p_value_text
from pipelines.evaluation.summary import BASELINES
from pipelines.retraining.comparison import METRIC, Comparison

__all__ = ["Decision", "Facts", "PromotionRule", "decide"]

Test = Literal["block_bootstrap", "diebold_mariano"]


@dataclass(frozen=True)
class PromotionRule:
    """What a challenger must show.

    Attributes:
        metric: the error that is compared; see `pipelines.retraining.comparison.METRIC`.
        margin: fraction of the champion's error by which the challenger's must be lower.
        confidence: with which the two must differ, by a two-sided paired test.
        test: `block_bootstrap` over days, or `diebold_mariano`.
        yardstick: a baseline whose normalized RMSE must be beaten; None: none.
        maximum_drift: the new month's largest drift, in parts of its limits
            (`pipelines.retraining.drift`), above which nothing is promoted; None: drift only warns.

    Raises:
        ValueError: if a value is out of range.
    """

    metric: str = METRIC
    margin: float = 0.0
    confidence: float = 0.95
    test: Test = "block_bootstrap"
    yardstick: str | None = "persistence"
    maximum_drift: float | None = 1.0

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.margin < 1:
            raise ValueError(f"margin is {self.margin}; expected 0 <= margin < 1")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}; expected between 0 and 1")
        if self.test not in ("block_bootstrap", "diebold_mariano"):
            raise ValueError(f"test is {self.test!r}; expected block_bootstrap or diebold_mariano")
        if self.yardstick is not None and self.yardstick not in BASELINES:
            expected = ", ".join(BASELINES)
            raise ValueError(f"yardstick is {self.yardstick!r}; expected null or one of {expected}")
        if self.maximum_drift is not None and not self.maximum_drift > 0:
            raise ValueError(f"maximum_drift is {self.maximum_drift}; expected above 0, or null")


@dataclass(frozen=True)
class Facts:
    """What is known of a challenger when it is decided on.

    Attributes:
        normalized_rmse: its own, on the newest window.
        yardstick_rmse: the yardstick's; None where the rule has none.
        comparison: with the champion; None where there is no champion.
        drift: the new month's largest drift in parts of its limits.
        drift_where: the statistic and channel of the largest drift, in words.
    """

    normalized_rmse: float
    yardstick_rmse: float | None
    comparison: Comparison | None
    drift: float
    drift_where: str


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why.

    Attributes:
        promote: True where every condition of the rule holds.
        reasons: where promoted, every condition that holds; where declined, those that do not.
    """

    promote: bool
    reasons: tuple[str, ...]

    @property
    def word(self) -> Literal["promoted", "declined"]:
        """`promoted` or `declined`."""
        return "promoted" if self.promote else "declined"


def decide(rule: PromotionRule, facts: Facts) -> Decision:
    """Apply a rule to the facts; the same facts always give the same decision."""
    checks = [*_drift(rule, facts), *_yardstick(rule, facts), *_champion(rule, facts.comparison)]
    failed = tuple(reason for holds, reason in checks if not holds)
    if failed:
        return Decision(False, failed)
    return Decision(True, tuple(reason for _, reason in checks))


_Checks = list[tuple[bool, str]]


def _drift(rule: PromotionRule, facts: Facts) -> _Checks:
    if rule.maximum_drift is None:
        return []
    drift = f"the new month's drift is {facts.drift:.2f} of its limit ({facts.drift_where})"
    asked = f"the rule allows up to {rule.maximum_drift:g}"
    return [(facts.drift <= rule.maximum_drift, f"{drift}; {asked}")]


def _yardstick(rule: PromotionRule, facts: Facts) -> _Checks:
    if rule.yardstick is None or facts.yardstick_rmse is None:
        return []
    holds = facts.normalized_rmse < facts.yardstick_rmse
    word = "below" if holds else "not below"
    name = rule.yardstick.replace("_", " ")
    errors = f"normalized RMSE {facts.normalized_rmse:.4f} is {word} that of {name}"
    return [(holds, f"{errors}, {facts.yardstick_rmse:.4f}")]


def _champion(rule: PromotionRule, comparison: Comparison | None) -> _Checks:
    if comparison is None:
        return [(True, "there was no champion")]
    better = comparison.improvement
    enough = better > 0 and better >= rule.margin
    change = f"{better:.1%} better" if better >= 0 else f"{-better:.1%} worse"
    errors = f"{comparison.challenger:.4f}, the champion's {comparison.champion:.4f}: {change}"
    margin = f"at least {rule.margin:.1%}" if rule.margin else "any gain"
    checks = [(enough, f"{rule.metric} is {errors}; the rule asks for {margin}")]
    by_bootstrap = rule.test == "block_bootstrap"
    p_value = comparison.bootstrap_p_value if by_bootstrap else comparison.dm_p_value
    test, level = rule.test.replace("_", " "), 1 - rule.confidence
    if math.isnan(p_value):
        windows = f"{comparison.num_windows} windows (equal errors or too few days)"
        checks.append((False, f"the paired {test} gives no p-value on {windows}"))
    elif enough or p_value > level:  # of one that is worse, no matter how surely
        written = p_value_text(p_value)
        sign = "" if written.startswith("<") else "= "
        found = f"the paired {test} gives p {sign}{written}"
        checks.append((p_value <= level, f"{found}; the rule asks for at most {level:.3g}"))
    return checks
