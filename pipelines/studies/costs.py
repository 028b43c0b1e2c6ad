"""Cells of what networks cost: measured, not copied."""

from collections.abc import Sequence

from pipelines.paper.cells import Cell, gathered
from pipelines.paper.published_scores import metric_unit
from pipelines.studies.parts import ScoredPart

__all__ = ["COSTS", "cost_cells"]

COSTS = (
    "params", "num_models", "multiply_adds", "training_multiply_adds", "memory", "step_time",
    "epoch_time",
)  # fmt: skip


def cost_cells(parts: Sequence[ScoredPart], costs: Sequence[str]) -> list[Cell]:
    """Give the costs of every row, from the parts in which they were measured."""
    found = []
    for part in parts:
        for row, model in part.rows.items():
            if model not in part.costs:
                continue
            cost = part.costs[model]
            for name in costs:
                if name == "epoch_time":
                    value: float | None = cost.step_time * part.steps_an_epoch[model]
                else:
                    value = getattr(cost, name)
                cell = Cell(row, None, name, metric_unit(name, None), clean=value)
                found.append((part.protocol, cell))
    return gathered(found)
