"""What scores, examples, analyses and tracks follow from, as names.

A name holds the content of checkpoints, not their places nor who trained them when; settings that
change no number (batch sizes, devices, titles) are no part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from met2net.checkpoint import content_of
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.verification.own_metrics import registered_metrics
from pipelines.errors import DataError
from pipelines.evaluation.protocol import Protocol
from pipelines.evaluation.settings import ScoringSettings
from pipelines.fingerprint import content_sha256, file_sha256, fingerprint
from pipelines.storms.best_tracks import find_storm, packaged_table

__all__ = ["ScoredModels", "scoring_identity"]

# Each is raised whenever the same inputs would give other numbers, or another file.
_SCORES, _EXAMPLES, _ANALYSIS, _COSTS, _TRACKS = 2, 3, 1, 2, 1


@dataclass(frozen=True)
class ScoredModels:
    """Trained networks, and the windows on which they are looked at.

    Attributes:
        training_set: Zarr store made by `pipelines.training_sets.prepare`.
        window: frames.
        split: `train`, `validation` or `test`.
        checkpoints: model name -> checkpoint file, in the order of tables.
        protocol: the terms that they are scored on.
    """

    training_set: Path
    window: WindowSpec
    split: str
    checkpoints: Mapping[str, Path]
    protocol: Protocol

    @cached_property
    def identity(self) -> list[Any]:
        """Content of all of these; read once, as every checkpoint is read for it."""
        return [
            TrainingSet.open(self.training_set).attrs["fingerprint"],
            self.window,
            self.split,
            [[name, content_of(path)] for name, path in self.checkpoints.items()],
            self.protocol,
        ]

    def scores(self, scoring: ScoringSettings) -> str:
        """Name the scores."""
        return fingerprint("scores", _SCORES, self.identity, scoring_identity(scoring))

    def examples(self, num: int) -> str:
        """Name so many worked windows."""
        return fingerprint("examples", _EXAMPLES, self.identity, num)

    def analysis(self, *, num_samples: int, seed: int) -> str:
        """Name CKA and attention of so many windows."""
        return fingerprint("analysis", _ANALYSIS, self.identity, num_samples, seed)

    def costs(self) -> str:
        """Name what a training step of each takes, on whatever device it was trained."""
        return fingerprint("costs", _COSTS, self.identity)

    def tracks(self, storm: str, *, table: Path | None) -> str:
        """Name the tracks of a storm; `table` as in `pipelines.storms.best_tracks.best_track`."""
        best = file_sha256(table or packaged_table())
        return fingerprint("tracks", _TRACKS, self.identity, find_storm(storm).track_id, best)


def scoring_identity(scoring: ScoringSettings) -> list[Any]:
    """Give what scores follow from of their settings; a mask counts by its content.

    Raises:
        DataError: if there is no such mask.
    """
    mask = None if scoring.land_sea_mask is None else Path(scoring.land_sea_mask)
    if mask is not None and not mask.exists():
        raise DataError(f"land_sea_mask is {mask}; expected a file, or a Zarr store")
    own = list(registered_metrics())
    return [
        [[name, dict(edges)] for name, edges in scoring.regions.items()],
        None if mask is None else content_sha256(mask),
        scoring.bootstrap,
        *([own] if own else []),  # so that scores without any keep their names
    ]
