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


def resources_table(
    analysis: xr.Dataset, scores: xr.Dataset, costs: xr.Dataset | None
) -> Table | None:
    """Tabulate normalized RMSE, parameters, multiply-adds and the measured training step.

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
    places = [decimals_for(values) for values in columns.values()]
    if costs is not None:
        places[-1] = 0
    rows = tuple(
        (name, *(text(values[i], p) for values, p in zip(columns.values(), places, strict=True)))
        for i, name in enumerate(names)
    )
    best = frozenset(
        (int(np.nanargmin(values)), column + 1)
        for column, (heading, values) in enumerate(columns.items())
        if heading != "windows in a step" and np.isfinite(values).any()
    )
    return Table(
        "What networks cost and how they score", ("model", *columns), rows, best,
        name="resources_and_skill",
    )  # fmt: skip
