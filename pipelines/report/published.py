"""The paper's scores beside ours, where data and protocol are the paper's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from pipelines.evaluation.summary import decimals_for, open_scores
from pipelines.paper.cells import score_cells, with_published
from pipelines.paper.published_scores import PublishedScore, published_scores
from pipelines.report.table import Table, text
from pipelines.run_folder import RunFolder

__all__ = ["PublishedTable", "published_table"]

_METRICS = ("mse", "mae", "rmse", "r2", "acc", "ssim", "psnr")


@dataclass(frozen=True)
class PublishedTable:
    """A table of the paper whose data and protocol a run has.

    Attributes:
        table: see `pipelines.paper.published_scores`.
        variables: group name -> channels of the run.
    """

    table: str
    variables: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _ScoredRun:
    """A run as one part of a table."""

    folder: Path
    variables: Mapping[str, Sequence[str]]
    rows: Mapping[str, str]
    protocol: str = "clean"

    def scores(self) -> xr.Dataset:
        return open_scores(self.folder / "scores.nc")


def published_table(run_folder: Path, published: PublishedTable | None) -> Table | None:
    """Tabulate the paper's scores with ours beside them, as `pipelines.paper.cells` takes them.

    A row of the paper stands beside our model of its name; where the paper has a network a
    variable, beside ours that has so too, as `tau_single`. Our other models come last. None
    without a table.

    Raises:
        DataError: if there is no such table, or the scores lack one of its metrics.
    """
    if published is None:
        return None
    scores = published_scores(published.table)
    theirs = [score for score in scores if score.metric in _METRICS]
    models = [str(name) for name in open_scores(RunFolder(run_folder).scores)["model"].values]
    rows = _rows(scores, models)
    rows |= {model: model for model in models if model not in rows.values()}
    # Cells have a column for each protocol of a study; a run has one, and takes the first.
    ours = score_cells(
        [_ScoredRun(run_folder, published.variables, rows)],
        metrics=list(dict.fromkeys(score.metric for score in theirs)),
        together=all(score.variable is None for score in theirs),
    )
    cells = {cell.key: cell for cell in with_published(ours, theirs)}
    columns = list(dict.fromkeys((score.variable, score.metric) for score in theirs))
    names = list(dict.fromkeys([*(score.row for score in theirs), *rows]))
    values = np.full((len(names), len(columns), 2), np.nan)
    units: dict[tuple[str | None, str], str | None] = {}
    for i, name in enumerate(names):
        for j, column in enumerate(columns):
            cell = cells.get((name, *column))
            if cell is None:
                continue
            units[column] = units.get(column) or cell.unit
            pair = (cell.published, cell.clean)
            values[i, j] = [np.nan if number is None else number for number in pair]
    places = [decimals_for(values[:, j].ravel(), digits=5) for j in range(len(columns))]
    header = [
        f"{_heading(*column, units.get(column))}, {whose}"
        for column in columns
        for whose in ("published", "ours")
    ]
    return Table(
        f"Published numbers ({_source(published.table)}) beside ours",
        ("model", *header),
        tuple(
            (
                name,
                *(text(v, p) for pair, p in zip(row, places, strict=True) for v in pair),
            )
            for name, row in zip(names, values, strict=True)
        ),
        name="published_and_ours",
    )


def _rows(scores: Sequence[PublishedScore], models: Sequence[str]) -> dict[str, str]:
    """Give row of the paper -> model of the same kind."""
    networks = {score.row: score.value for score in scores if score.metric == "num_models"}
    rows = {}
    for row in dict.fromkeys(score.row for score in scores):
        name = row.lower().replace("+", "p")
        if networks.get(row, 1) > 1:
            name += "_single"
        if name in models:
            rows[row] = name
    return rows


def _heading(variable: str | None, metric: str, unit: str | None) -> str:
    name = metric.upper() if variable is None else f"{variable} {metric.upper()}"
    return name if unit in (None, "1") else f"{name} [{unit}]"


def _source(table: str) -> str:
    return f"Table {table.removeprefix('table')}" if table.startswith("table") else table
