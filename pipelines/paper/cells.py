"""The cells of a table of the paper: what ours scored, under either protocol, and the paper's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import xarray as xr

from pipelines.errors import DataError
from pipelines.paper.published_scores import PublishedScore, metric_unit

__all__ = ["Cell", "ScoredRows", "gathered", "score_cells", "with_published"]

_SUMMED = ("mse", "mae")
_WINDS = {"uv10": ("u10", "v10")}


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        row: as in the paper, mostly a model.
        variable: None where the number is of all together, or of the model.
        metric: as `mse`.
        unit: None where it has none.
        clean: ours under the clean protocol, or measured; mean over seeds.
        paper: ours under the paper's protocol; mean over seeds.
        published: the paper's.
        spread: half the range of `clean` over seeds; None with one.
    """

    row: str
    variable: str | None
    metric: str
    unit: str | None = None
    clean: float | None = None
    paper: float | None = None
    published: float | None = None
    spread: float | None = None

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What a published number is found by."""
        return self.row, self.variable, self.metric


class ScoredRows(Protocol):
    """Scores of models that stand in a table, under one protocol with one seed."""

    @property
    def protocol(self) -> str:
        """`clean` or `paper`."""

    @property
    def variables(self) -> Mapping[str, Sequence[str]]:
        """Groups of channels."""

    @property
    def rows(self) -> Mapping[str, str]:
        """Row of the table -> model."""

    def scores(self) -> xr.Dataset:
        """Give the scores of all models."""


def score_cells(
    parts: Sequence[ScoredRows],
    *,
    metrics: Sequence[str],
    variables: Sequence[str] = (),
    together: bool = False,
) -> list[Cell]:
    """Read the scores of all parts.

    The score of a variable of several channels is the mean over them, its RMSE the root of
    the mean squared error, under the paper's protocol the mean of batches' roots; all points
    count alike, as in the paper.

    Args:
        parts: finished ones.
        metrics: of every variable, in order.
        variables: only these; empty: all.
        together: one score of all variables, as benchmarks of image sequences define it; see
            `met2net.verification.benchmark_scores`.

    Raises:
        DataError: if a file lacks a metric.
    """
    found: list[tuple[str, Cell]] = []
    for part in parts:
        scores = part.scores()
        groups = _groups(part.variables, variables)
        for row, model in part.rows.items():
            of_row = scores.sel(model=model)
            if together:
                for metric in metrics:
                    value = _of_frames(of_row, metric)
                    unit = metric_unit(metric, None)
                    found.append((part.protocol, Cell(row, None, metric, unit, clean=value)))
                continue
            for variable, channels in groups.items():
                units = str(scores["units"].sel(channel=list(channels)).values[0])
                for metric in metrics:
                    value = _of_variable(of_row, variable, channels=channels, metric=metric)
                    unit = metric_unit(metric, units)
                    found.append((part.protocol, Cell(row, variable, metric, unit, clean=value)))
    return gathered(found)


def gathered(found: Sequence[tuple[str, Cell]]) -> list[Cell]:
    """Put values of one cell (in `clean`) together, by protocol; average over seeds."""
    values: dict[tuple[str, str | None, str], dict[str, list[float]]] = {}
    frames: dict[tuple[str, str | None, str], Cell] = {}
    for protocol, cell in found:
        frames.setdefault(cell.key, cell)
        if cell.clean is not None:
            values.setdefault(cell.key, {}).setdefault(protocol, []).append(cell.clean)
    return [_filled(cell, values.get(key, {})) for key, cell in frames.items()]


def with_published(cells: Sequence[Cell], published: Sequence[PublishedScore]) -> list[Cell]:
    """Put the paper's numbers beside ours, in the order of the paper's rows and columns.

    Numbers of the paper that ours lacks stand alone; ours that the paper lacks come last in
    their block.
    """
    ours = {cell.key: cell for cell in cells}
    joined = []
    for score in published:
        blank = Cell(score.row, score.variable, score.metric)
        cell = ours.pop(blank.key, blank)
        joined.append(replace(cell, published=score.value, unit=cell.unit or score.unit))
    return [*joined, *ours.values()]


def _groups(own: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Choose variables; a wind may be forecast as two variables and is still one in the table."""
    channels = {label for labels in own.values() for label in labels}
    known: dict[str, Sequence[str]] = {
        name: labels for name, labels in _WINDS.items() if channels.issuperset(labels)
    }
    known.update(own)
    return {name: known[name] for name in wanted or own if name in known}


def _of_frames(scores: xr.Dataset, metric: str) -> float:
    """Give one score of all channels of a frame together."""
    if "benchmark" not in scores:
        raise DataError("found no scores of frames; expected those of image sequences")
    name = f"{metric}_summed" if metric in _SUMMED else metric
    if name not in scores["benchmark_metric"].values:
        known = ", ".join(map(str, scores["benchmark_metric"].values))
        raise DataError(f"found no {name} among the scores of frames; found: {known}")
    return float(scores["benchmark"].sel(benchmark_metric=name))


def _of_variable(
    scores: xr.Dataset, variable: str, *, channels: Sequence[str], metric: str
) -> float:
    """Give one score of one variable, all lead times pooled."""
    if metric == "rmse" and "rmse_of_batches" in scores:
        if variable in scores["variable"].values:
            return float(scores["rmse_of_batches"].sel(variable=variable))
        parts = scores["rmse_of_batches"].sel(variable=list(channels))
        return math.sqrt(float((parts**2).mean()))
    if metric not in scores["metric"].values:
        known = ", ".join(map(str, scores["metric"].values))
        raise DataError(f"found no {metric} among the scores; found: {known}")
    pooled = scores["pooled"].sel(weighting="plain", channel=list(channels))
    if metric == "rmse":
        return math.sqrt(float(pooled.sel(metric="mse").mean()))
    return float(pooled.sel(metric=metric).mean())


def _filled(cell: Cell, values: Mapping[str, Sequence[float]]) -> Cell:
    """Average over seeds."""
    mean = {protocol: float(np.mean(some)) for protocol, some in values.items()}
    clean = values.get("clean", ())
    spread = (max(clean) - min(clean)) / 2 if len(clean) > 1 else None
    return replace(cell, clean=mean.get("clean"), paper=mean.get("paper"), spread=spread)
