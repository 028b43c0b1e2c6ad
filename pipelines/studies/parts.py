"""Finished parts of a study: an experiment under one protocol with one seed, and where it lies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import xarray as xr

from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.evaluation.summary import open_scores
from pipelines.run_folder import RunFolder
from pipelines.training.batches_in_epoch import batches_in_epoch
from pipelines.training.cost import TrainingCost, training_cost
from pipelines.training.job import TrainingJob

__all__ = ["ScoredPart", "read_parts", "write_parts"]


@dataclass(frozen=True)
class ScoredPart:
    """A finished part of a study.

    Attributes:
        part: its name.
        protocol: `clean` or `paper`.
        seed: of weights and order.
        folder: with `scores.nc`.
        training_set: the store that its windows are cut from.
        variables: groups of channels.
        rows: row of the table -> model.
        checkpoints: model -> its trained network.
        learning_rates: model -> the rate that it was trained with.
        costs: model -> what it costs, where that was measured.
        steps_an_epoch: model -> training steps of an epoch, where costs were measured.
    """

    part: str
    protocol: str
    seed: int
    folder: Path
    training_set: Path
    variables: Mapping[str, Sequence[str]]
    rows: Mapping[str, str]
    checkpoints: Mapping[str, Path]
    learning_rates: Mapping[str, float]
    costs: Mapping[str, TrainingCost] = field(default_factory=dict)
    steps_an_epoch: Mapping[str, int] = field(default_factory=dict)

    def scores(self) -> xr.Dataset:
        """Read its scores into memory."""
        return open_scores(RunFolder(self.folder).scores)

    def with_costs(
        self,
        jobs: Mapping[str, TrainingJob],
        *,
        num_windows: int,
        folder: Path,
        in_process: bool = False,
    ) -> "ScoredPart":
        """Measure every model, or find it measured.

        Args:
            jobs: model -> its training.
            num_windows: of the training split.
            folder: where measurements are kept.
            in_process: see `pipelines.training.cost`.
        """
        costs = {
            name: training_cost(job, folder=folder, in_process=in_process)
            for name, job in jobs.items()
        }
        steps = {
            name: batches_in_epoch(job.optimization, num_windows=num_windows)
            for name, job in jobs.items()
        }
        return replace(self, costs=costs, steps_an_epoch=steps)


def write_parts(path: Path, parts: Sequence[ScoredPart]) -> None:
    """Write parts as JSON."""
    plain = [asdict(part) for part in parts]
    write_text(path, json.dumps(plain, indent=1, default=str) + "\n")


def read_parts(path: Path) -> list[ScoredPart]:
    """Read what `write_parts` wrote.

    Raises:
        DataError: if there is no such file.
    """
    if not path.is_file():
        raise DataError(f"found no {path}; expected a finished study")
    parts = []
    for plain in json.loads(path.read_text(encoding="utf-8")):
        plain |= {name: Path(plain[name]) for name in ("folder", "training_set")}
        plain["checkpoints"] = {k: Path(v) for k, v in plain["checkpoints"].items()}
        plain["costs"] = {k: TrainingCost(**v) for k, v in plain["costs"].items()}
        parts.append(ScoredPart(**plain))
    return parts
