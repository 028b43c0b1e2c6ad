"""What networks cost beside how they score, as a table."""

import numpy as np
import xarray as xr

from pipelines.evaluation.summary import decimals_for
from pipelines.report.table import Table, text

__all__ = ["resources_table"]

_COLUMNS = (  # of the analysis
    ("parameters", 1e6, "parameters [million]"),
    ("multiply_adds", 1e9, "multiply-adds of a forecast [billion]"),
)
_COUNTS = ("windows in a step", "threads")


def resources_table(
    analysis: xr.Dataset, scores: xr.Dataset, costs: xr.Dataset | None
) -> Table | None:
    """Tabulate normalized RMSE, parameters, multiply-adds and what a training step took.

    Source: Li et al. 2025, arXiv:2507.17189, table 11.

    Args:
        analysis: as `pipelines.evaluation.analyze` writes it; None is given where it lacks the
            costs.
        scores: of the same networks.
        costs: as `pipelines.training.costs_file` writes it, or None.
    """
    if "parameters" not in analysis:
        return None
    names = [str(name) for name in analysis["network"].values]
    columns = {"normalized RMSE": scores["normalized_rmse"].sel(model=names).values}
    for name, unit, heading in _COLUMNS:
        columns[heading] = analysis[name].values / unit
    if costs is not None:
        known = costs.reindex(network=names)
        where = f" on {costs.attrs['device']}" if costs.attrs.get("device") else ""
        columns[f"training step{where} [ms]"] = 1e3 * known["step_time"].values
        columns["windows in a step"] = known["batch_size"].values
        if len(np.unique(costs["num_threads"])) > 1:
            columns["threads"] = known["num_threads"].values
    places = [
        0 if heading in _COUNTS else decimals_for(values) for heading, values in columns.items()
    ]
    rows = tuple(
        (name, *(text(values[i], p) for values, p in zip(columns.values(), places, strict=True)))
        for i, name in enumerate(names)
    )
    best = frozenset(
        (int(np.nanargmin(values)), column + 1)
        for column, (heading, values) in enumerate(columns.items())
        if heading not in _COUNTS and np.isfinite(values).any()
    )
    return Table(
        "What networks cost and how they score", ("model", *columns), rows, best,
        name="resources_and_skill",
    )  # fmt: skip
