"""What one month's retraining starts from, written down before anything is trained.

Training may change who is champion; a run that was killed and continued must still compare with
the champion that it started from, on the data that it started from.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.archive.state import ArchiveState
from pipelines.atomic import write_text
from pipelines.period import Period
from pipelines.training_sets.splits import Splits

__all__ = ["RetrainingPlan", "pinned"]


@dataclass(frozen=True)
class RetrainingPlan:
    """What a month's retraining starts from.

    Attributes:
        month: the newest month, as `2020-03`.
        now: the moment at which it was planned, UTC, ISO 8601.
        snapshot_id: of the archive.
        splits: training, validation and test.
        champion: the registered version that was champion, or None.
    """

    month: str
    now: str
    snapshot_id: str
    splits: Splits
    champion: str | None

    def archive(self, state: ArchiveState) -> ArchiveState:
        """Give the planned state of an archive."""
        months = tuple(month for month in state.months if month <= self.month)
        return ArchiveState(state.path, self.snapshot_id, months, state.s3)


def pinned(plan: RetrainingPlan, path: Path) -> RetrainingPlan:
    """Write a plan down, or give the one that an earlier run wrote."""
    if path.is_file():
        plain = json.loads(path.read_text(encoding="utf-8"))
        splits = {name: Period(**ends) for name, ends in plain.pop("splits").items()}
        return RetrainingPlan(splits=Splits(**splits), **plain)
    write_text(path, json.dumps(asdict(plan), indent=1))
    return plan
