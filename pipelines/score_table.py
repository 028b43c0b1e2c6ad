"""The scores as a table for the terminal."""

from pathlib import Path

from rich.table import Table

from pipelines.score_summary import decimals_for, open_scores

__all__ = ["scores_table"]


def scores_table(scores: Path) -> Table:
    """Tabulate normalized RMSE and area-weighted RMSE, lead times pooled, best model first."""
    dataset = open_scores(scores)
    rmse = dataset["pooled"].sel(metric="rmse", weighting="area")
    table = Table(
        title=f"{dataset.attrs['split']} split, {dataset.attrs['num_windows']} windows, "
        "RMSE over all lead times"
    )
    table.add_column("model", overflow="fold")
    table.add_column("normalized", justify="right")
    decimals = {}
    for channel in map(str, dataset["channel"].values):
        units = str(dataset["units"].sel(channel=channel).item())
        heading = channel if units == "1" else f"{channel}\n\\[{units}]"
        table.add_column(heading, justify="right")
        decimals[channel] = decimals_for(rmse.sel(channel=channel).values)
    ranked = dataset["normalized_rmse"].to_series().sort_values()
    for model, normalized in ranked.items():
        row = rmse.sel(model=model)
        table.add_row(
            str(model),
            f"{normalized:.4f}",
            *(f"{row.sel(channel=c).item():.{places}f}" for c, places in decimals.items()),
        )
    return table
