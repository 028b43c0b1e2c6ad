"""The numbers of a report, as rows of text ready for a page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from met2net.grid import Grid
from pipelines.score_summary import decimals_for, skill

__all__ = ["Table", "lead_time_tables", "pooled_table", "skill_table", "window_tables"]


@dataclass(frozen=True)
class Table:
    """A titled table of text; `best` marks cells (row, column) to set in bold."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()


def _heading(channel: str, units: str) -> str:
    return channel if units == "1" else f"{channel} [{units}]"


def _headings(dataset: xr.Dataset) -> list[str]:
    return [
        _heading(str(label), str(units))
        for label, units in zip(dataset["channel"].values, dataset["units"].values, strict=True)
    ]


def _text(value: float, decimals: int) -> str:
    # Adding 0.0 after rounding turns -0.0 into 0.0.
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if np.isfinite(value) else "–"


def _matrix(
    values: np.ndarray,
    *,
    title: str,
    names: Sequence[str],
    header: Sequence[str],
    best: Callable[[np.ndarray], int] | None,
    decimals: Sequence[int] | None = None,
) -> Table:
    """Tabulate models x columns, digits chosen a column, the best finite value marked."""
    places = decimals or [decimals_for(column) for column in values.T]
    rows = tuple(
        (name, *(_text(v, p) for v, p in zip(row, places, strict=True)))
        for name, row in zip(names, values, strict=True)
    )
    marked = frozenset(
        (best(column), j + 1)
        for j, column in enumerate(values.T)
        if best is not None and np.isfinite(column).any()
    )
    return Table(title, ("model", *header), rows, marked)


def pooled_table(scores: xr.Dataset, *, metric: str, weighting: str) -> Table:
    """Tabulate a metric over all lead times by model and channel.

    For RMSE and plain weighting the first column is the normalized RMSE, which is plain too.
    """
    values = scores["pooled"].sel(metric=metric, weighting=weighting)
    values = values.transpose("model", "channel").values
    header = _headings(scores)
    if metric in ("acc", "r2"):
        header = [str(label) for label in scores["channel"].values]
    if metric == "rmse" and weighting == "plain":
        values = np.column_stack([scores["normalized_rmse"].values, values])
        header = ["normalized", *header]
    decimals = None
    if metric in ("acc", "r2"):
        decimals = [3] * len(header)
    elif metric == "bias":  # a bias may be almost 0: the median sets the digits
        decimals = [decimals_for([np.median(np.abs(c))], digits=2) for c in values.T]
    weight = "weighted by area" if weighting == "area" else "all grid points alike"
    return _matrix(
        values,
        title=f"{metric.upper() if metric != 'bias' else 'Bias'}, {weight}",
        names=_names(scores),
        header=header,
        best=_best_of(metric),
        decimals=decimals,
    )


def lead_time_tables(scores: xr.Dataset, *, metric: str = "rmse") -> list[Table]:
    """Tabulate a metric, weighted by area, by model and lead time: one table a channel."""
    values = scores["score"].sel(metric=metric, weighting="area")
    return [
        _matrix(
            values.sel(channel=channel).transpose("model", "lead_time").values,
            title=heading,
            names=_names(scores),
            header=[f"+{int(lead)} h" for lead in scores["lead_time"].values],
            best=_best_of(metric),
            decimals=[decimals_for(values.sel(channel=channel))] * scores.sizes["lead_time"],
        )
        for channel, heading in zip(scores["channel"].values, _headings(scores), strict=True)
    ]


def skill_table(scores: xr.Dataset) -> Table:
    """Tabulate skill against persistence by model and channel, lead times pooled."""
    values = skill(scores["pooled"].sel(metric="rmse", weighting="area"))
    values = values.drop_sel(model="persistence").transpose("model", "channel")
    return _matrix(
        values.values,
        title="Skill against persistence",
        names=_names(values),
        header=[str(label) for label in scores["channel"].values],
        best=lambda column: int(np.nanargmax(column)),
        decimals=[3] * scores.sizes["channel"],
    )


def _names(scores: xr.Dataset | xr.DataArray) -> list[str]:
    return [str(name) for name in scores["model"].values]


def _best_of(metric: str) -> Callable[[np.ndarray], int]:
    if metric in ("acc", "r2"):
        return lambda column: int(np.nanargmax(column))
    return lambda column: int(np.nanargmin(np.abs(column)))


def window_tables(example: xr.Dataset, *, number: int = 0) -> list[Table]:
    """Tabulate one worked window: at its middle grid point, and as means over the field.

    A table a place and lead time (first and last); cells of models say forecast (error).
    Field means are weighted by area.
    """
    window = example.isel(example=number)
    weights = xr.DataArray(Grid.from_dataset(example).area_weights(), dims="latitude")
    middle = {dim: window.sizes[dim] // 2 for dim in ("latitude", "longitude")}
    point = window.isel(middle)
    place = (
        f"Grid point {_degrees(point['latitude'].item(), 'N', 'S')} "
        f"{_degrees(point['longitude'].item(), 'E', 'W')}"
    )
    fields = window[["inputs", "targets", "predictions"]].astype(float)
    mean = fields.weighted(weights).mean(("latitude", "longitude"))
    leads = dict.fromkeys([0, window.sizes["lead_time"] - 1])
    return [
        _window_table(values.isel(lead_time=lead), title=where, header=_headings(window))
        for where, values in ((place, fields.isel(middle)), ("Mean over the field", mean))
        for lead in leads
    ]


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):g}° {positive if value >= 0 else negative}"


def _window_table(values: xr.Dataset, *, title: str, header: Sequence[str]) -> Table:
    """Tabulate last input, truth and every model's forecast at one place and lead time."""
    truth = values["targets"]
    error = (values["predictions"] - truth).transpose("model", "channel")
    # Two digits of a typical error: values are shown as finely as they can be told apart.
    sizes = np.median(np.abs(error.values), axis=0)
    places = [decimals_for([size], digits=2) for size in sizes]
    last = values["inputs"].isel(input_time_offset=-1)
    rows = [
        (name, *(_text(v, p) for v, p in zip(row.values, places, strict=True)))
        for name, row in (("last input, +0 h", last), ("truth", truth))
    ]
    for model in map(str, values["model"].values):
        cells = (
            f"{_text(v, p)} ({round(e, p) + 0.0:+.{p}f})"
            for v, e, p in zip(
                values["predictions"].sel(model=model).values,
                error.sel(model=model).values,
                places,
                strict=True,
            )
        )
        rows.append((model, *cells))
    return Table(f"{title}, +{int(values['lead_time'])} h", ("", *header), tuple(rows))
