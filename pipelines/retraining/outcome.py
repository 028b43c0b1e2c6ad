"""What came of one month: the record that replays, pages and artifacts are made of."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pipelines.atomic import write_text
from pipelines.evaluation.p_value_text import p_value_text

__all__ = ["COLUMNS", "Action", "Outcome", "read_outcome", "write_outcome"]

Action = Literal["promoted", "declined", "nothing", "refused"]

COLUMNS = (
    "month", "snapshot", "challenger", "score", "champion's score", "gain", "p", "drift",
    "decision", "champion", "reasons",
)  # fmt: skip
"""Columns of a history table."""


@dataclass(frozen=True)
class Outcome:
    """What came of a month.

    Attributes:
        month: as `2020-03`.
        action: `promoted` or `declined` a challenger; `nothing` was to be done; the month was
            `refused` by the archive's verification.
        reasons: why, one a condition.
        now: the moment that the run went by, UTC, ISO 8601.
        snapshot_id: of the archive.
        new_months: months that the archive gained.
        replaced_months: months that were fetched again because they became final.
        version: of the challenger.
        champion_before: version that was champion.
        champion: version that is champion afterwards.
        score: the challenger's metric on the newest window.
        champion_score: the champion's.
        yardstick_score: the yardstick's normalized RMSE.
        improvement: 1 - score / champion_score.
        p_value: of the test that the rule names.
        drift: largest drift in parts of its limits.
        started_from: `scratch`, or the version that gave the initial weights.
        report: path of the month's page.
    """

    month: str
    action: Action
    reasons: tuple[str, ...]
    now: str
    snapshot_id: str | None = None
    new_months: tuple[str, ...] = ()
    replaced_months: tuple[str, ...] = ()
    version: str | None = None
    champion_before: str | None = None
    champion: str | None = None
    score: float | None = None
    champion_score: float | None = None
    yardstick_score: float | None = None
    improvement: float | None = None
    p_value: float | None = None
    drift: float | None = None
    started_from: str | None = None
    report: str | None = None

    def row(self) -> list[str]:
        """Write it as a row under `COLUMNS`."""
        return [
            self.month,
            (self.snapshot_id or "–")[:8],
            self.version or "–",
            _number(self.score, "{:.4f}"),
            _number(self.champion_score, "{:.4f}"),
            _number(self.improvement, "{:+.1%}"),
            "–" if self.p_value is None else p_value_text(self.p_value),
            _number(self.drift, "{:.2f}"),
            self.action,
            self.champion or "–",
            "; ".join(self.reasons),
        ]


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome as JSON."""
    write_text(path, json.dumps(asdict(outcome), indent=1))


def read_outcome(path: Path) -> Outcome:
    """Read an outcome that `write_outcome` wrote."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    lists = {name: tuple(value) for name, value in plain.items() if isinstance(value, list)}
    return Outcome(**{**plain, **lists})


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
