"""The scores as a table for the terminal."""

from pathlib import Path

import numpy as np
import xarray as xr
from rich import box
from rich.table import Table

from pipelines.evaluation.p_value_text import p_value_text
from pipelines.evaluation.summary import decimals_for, open_scores

__all__ = ["scores_table"]


def scores_table(scores: Path) -> Table:
    """Tabulate normalized RMSE and RMSE, lead times pooled, best model first.

    Both count every grid point alike, so that the first column is made of the others.

    With five channels it fits a terminal of 80 columns.
    """
    dataset = open_scores(scores)
    rmse = dataset["pooled"].sel(metric="rmse", weighting="plain")
    table = Table(
        title=f"{dataset.attrs['split']} split, {dataset.attrs['num_windows']} windows, "
        "plain RMSE over all lead times",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("model", no_wrap=True)
    table.add_column("normal-\nized", justify="right", no_wrap=True)
    intervals = _intervals(dataset)
    if intervals:
        table.add_column("95 %\ninterval", justify="right", no_wrap=True)
    yardstick = dataset["p_value"].attrs["compared_to"] if "p_value" in dataset else ""
    if intervals and yardstick:
        table.add_column(f"p, to\n{yardstick}", justify="right", min_width=5)
    decimals = {}
    for channel in map(str, dataset["channel"].values):
        units = str(dataset["units"].sel(channel=channel).item())
        heading = channel if units == "1" else f"{channel}\n\\[{units}]"
        table.add_column(heading, justify="right", min_width=5)
        decimals[channel] = decimals_for(rmse.sel(channel=channel).values)
    ranked = dataset["normalized_rmse"].to_series().sort_values()
    for model, normalized in ranked.items():
        row = rmse.sel(model=model)
        table.add_row(
            str(model),
            f"{normalized:.4f}",
            *_uncertainty(dataset, str(model), intervals, yardstick),
            *(f"{row.sel(channel=c).item():.{places}f}" for c, places in decimals.items()),
        )
    return table


def _intervals(dataset: xr.Dataset) -> dict[str, str]:
    """Write the intervals of normalized RMSE by model; none where there are none."""
    ends = [f"normalized_rmse_{end}" for end in ("low", "high")]
    if not all(name in dataset for name in ends):
        return {}
    low, high = (dataset[name].to_series() for name in ends)
    return {str(m): f"{low[m]:.3f}–{high[m]:.3f}" for m in low.index if np.isfinite(low[m])}


def _uncertainty(
    dataset: xr.Dataset, model: str, intervals: dict[str, str], yardstick: str
) -> list[str]:
    """Give the cells of interval and p-value, as many as there are columns."""
    if not intervals:
        return []
    cells = [intervals.get(model, "–")]
    if yardstick:
        p_value = float(dataset["p_value"].sel(model=model))
        cells.append(p_value_text(p_value))
    return cells
