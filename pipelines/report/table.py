"""A table of a report: rows of text with intervals, and the same as CSV."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np

from pipelines.evaluation.summary import decimals_for

__all__ = ["UNDEFINED", "Table", "matrix", "text"]

UNDEFINED = "–"
"""What stands where there is no number."""


@dataclass(frozen=True)
class Table:
    """A titled table of text.

    Attributes:
        title: its caption.
        header: names of the columns.
        rows: a text a cell, its column's first is the row's name.
        best: cells (row, column) to set in bold.
        intervals: cells (row, column) -> ends of the interval.
        name: of its CSV file, without the ending; made of the title by default.
        num_labels: columns at the left that name the row.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()
    intervals: Mapping[tuple[int, int], tuple[str, str]] = field(default_factory=dict)
    name: str = ""
    num_labels: int = 1

    def __post_init__(self) -> None:
        """Give it a name that can be a file's."""
        plain = re.sub(r"[^a-z0-9]+", "_", (self.name or self.title).lower()).strip("_")
        object.__setattr__(self, "name", plain)

    @property
    def csv(self) -> str:
        """The cells as CSV; intervals have columns of their own, what is undefined is empty."""
        split = {column for _, column in self.intervals}
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(
            name
            for column, title in enumerate(self.header)
            for name in ((title, f"{title} low", f"{title} high") if column in split else (title,))
        )
        for number, row in enumerate(self.rows):
            cells: list[str] = []
            for column, cell in enumerate(row):
                cells.append("" if cell == UNDEFINED else cell)
                if column in split:
                    cells += self.intervals.get((number, column), ("", ""))
            writer.writerow(cells)
        return out.getvalue()

    @property
    def csv_address(self) -> str:
        """The CSV as an address that a browser can save."""
        return "data:text/csv;charset=utf-8," + quote(self.csv)


def text(value: float, decimals: int) -> str:
    """Write a number with so many decimals."""
    # Adding 0.0 after rounding turns -0.0 into 0.0.
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if np.isfinite(value) else UNDEFINED


def matrix(
    values: np.ndarray,
    *,
    title: str,
    names: Sequence[str],
    header: Sequence[str],
    best: Callable[[np.ndarray], int] | None,
    decimals: Sequence[int] | None = None,
    ends: tuple[np.ndarray, np.ndarray] | None = None,
    name: str = "",
) -> Table:
    """Tabulate names x columns, digits chosen a column, the best finite value marked.

    Args:
        values: rows x columns.
        title: of the table.
        names: of the rows.
        header: of the columns.
        best: gives the best row of a column, or None.
        decimals: one a column.
        ends: low and high ends of the values' intervals; NaN where there is none.
        name: of the CSV file.
    """
    places = decimals or [decimals_for(column) for column in values.T]
    rows = tuple(
        (label, *(text(v, p) for v, p in zip(row, places, strict=True)))
        for label, row in zip(names, values, strict=True)
    )
    marked = frozenset(
        (best(column), j + 1)
        for j, column in enumerate(values.T)
        if best is not None and np.isfinite(column).any()
    )
    intervals = {}
    if ends is not None:
        low, high = ends
        intervals = {
            (i, j + 1): (text(low[i, j], places[j]), text(high[i, j], places[j]))
            for i, j in np.argwhere(np.isfinite(low) & np.isfinite(high) & np.isfinite(values))
            .tolist()
        }  # fmt: skip
    return Table(title, ("model", *header), rows, marked, intervals, name)
