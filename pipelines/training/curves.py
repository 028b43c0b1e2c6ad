"""Epoch curves as the training's CSV logger writes them."""

import csv
from pathlib import Path

__all__ = ["read_curves"]


def read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Read `metrics.csv`: column -> (epoch, value) pairs in file order.

    Rows fill some columns and leave others empty; empty cells are no values. Where an epoch
    was written twice, as after a resume, the later row counts.
    """
    curves: dict[str, dict[int, float]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            epoch = int(float(row["epoch"]))
            for column, text in row.items():
                if column not in ("epoch", "step") and text:
                    curves.setdefault(column, {})[epoch] = float(text)
    return {column: list(points.items()) for column, points in curves.items()}
