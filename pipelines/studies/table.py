"""A table of the paper as CSV, as Markdown and for the terminal."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from pipelines.atomic import write_text
from pipelines.paper.cells import Cell

__all__ = ["study_markdown", "study_table", "write_study_table"]

_HEADINGS = ("ours (clean)", "ours (paper protocol)", "published")
_NAMES = {
    "params": "parameters a network", "num_models": "networks",
    "multiply_adds": "multiply-adds, forecast",
    "training_multiply_adds": "multiply-adds, training forward",
    "memory": "memory in training", "step_time": "time a step", "epoch_time": "time an epoch",
    "num_train": "training windows", "num_test": "test windows", "num_channels": "channels",
    "num_inputs": "input frames", "num_targets": "target frames", "r2": "R2",
}  # fmt: skip


def study_table(cells: Sequence[Cell], *, title: str) -> Table:
    """Tabulate for the terminal: a block a metric, a line a row."""
    table = Table(title=title)
    for name in ("score", "row"):
        table.add_column(name, overflow="fold")
    for name in _HEADINGS:
        table.add_column(name, justify="right", overflow="fold")
    blocks = _blocks(cells)
    for block in blocks:
        for number, cell in enumerate(block):
            table.add_row(
                _score_name(cell) if number == 0 else "",
                cell.row,
                *_numbers(cell),
                end_section=number == len(block) - 1,
            )
    return table


def study_markdown(cells: Sequence[Cell], *, title: str, notes: Sequence[str] = ()) -> str:
    """Write the same as Markdown."""
    lines = [f"# {title}", "", "| score | row | " + " | ".join(_HEADINGS) + " |"]
    lines.append("|---|---|" + "---:|" * len(_HEADINGS))
    lines += [
        f"| {_score_name(cell)} | {cell.row} | " + " | ".join(_numbers(cell)) + " |"
        for block in _blocks(cells)
        for cell in block
    ]
    return "\n".join([*lines, "", *(f"{note}\n" for note in notes)])


def write_study_table(
    cells: Sequence[Cell], *, title: str, folder: Path, notes: Sequence[str] = ()
) -> list[Path]:
    """Write `table.csv`, one number a line, and `table.md`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "variable", "metric", "unit", "clean", "paper", "published", "spread"))
    for cell in cells:
        writer.writerow(
            "" if value is None else value
            for value in (cell.row, cell.variable, cell.metric, cell.unit,
                          cell.clean, cell.paper, cell.published, cell.spread)
        )  # fmt: skip
    write_text(folder / "table.csv", text.getvalue())
    write_text(folder / "table.md", study_markdown(cells, title=title, notes=notes))
    return [folder / "table.csv", folder / "table.md"]


def _blocks(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Put the cells of one variable and metric together, in the order of their first."""
    blocks: dict[tuple[str | None, str], list[Cell]] = {}
    for cell in cells:
        blocks.setdefault((cell.variable, cell.metric), []).append(cell)
    return list(blocks.values())


def _score_name(cell: Cell) -> str:
    name = _NAMES.get(cell.metric, cell.metric.replace("_", " "))
    if cell.variable is not None:
        name = f"{cell.variable} {cell.metric.upper() if cell.metric != 'r2' else 'R2'}"
    return name if cell.unit in (None, "1") else f"{name}, {cell.unit}"


def _numbers(cell: Cell) -> list[str]:
    clean = _text(cell.clean)
    if cell.spread is not None:
        clean += f" ± {_text(cell.spread)}"
    return [clean, _text(cell.paper), _text(cell.published)]


def _text(value: float | None) -> str:
    """Write five significant digits; whole numbers whole."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value)}"
    return f"{value:.0f}" if abs(value) >= 1e5 else f"{value:#.5g}".rstrip(".")
