"""The numbers of a report, as rows of text ready for a page."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from pipelines.evaluation.lead_times import has_images, lead_name
from pipelines.evaluation.summary import decimals_for
from pipelines.report.table import UNDEFINED, Table, matrix, text

__all__ = [
    "RATIOS",
    "best_of",
    "headings",
    "lead_time_tables",
    "model_names",
    "pooled_table",
    "skill_table",
    "skill_tables_by_lead",
    "title_of",
    "window_tables",
]

RATIOS = ("acc", "r2", "acc_centred", "pcc")
"""Metrics without a unit, 1 at best."""
_TITLES = {"acc_centred": "ACC, centred", "bias": "Bias"}
_WEIGHTS = {"area": "weighted by area", "plain": "all grid points alike"}


def _heading(channel: str, units: str) -> str:
    return channel if units == "1" else f"{channel} [{units}]"


def headings(dataset: xr.Dataset) -> list[str]:
    """Give a heading a channel: its label with the unit."""
    return [
        _heading(str(label), str(units))
        for label, units in zip(dataset["channel"].values, dataset["units"].values, strict=True)
    ]


def pooled_table(scores: xr.Dataset, *, metric: str, weighting: str) -> Table:
    """Tabulate a metric over all lead times by model and channel, with intervals if there are.

    For RMSE and plain weighting the first column is the normalized RMSE, which is plain too.
    """
    values, *ends = (
        _of_models(scores, f"pooled{end}", metric=metric, weighting=weighting) for end in _ENDS
    )
    header = headings(scores)
    if metric in RATIOS:
        header = [str(label) for label in scores["channel"].values]
    if metric == "rmse" and weighting == "plain":
        values, *ends = (
            np.column_stack([_of_models(scores, f"normalized_rmse{end}"), table])
            for end, table in zip(_ENDS, (values, *ends), strict=True)
        )
        header = ["normalized", *header]
    decimals = None
    if metric in RATIOS:
        decimals = [3] * len(header)
    elif metric == "bias":  # a bias may be almost 0: the median sets the digits
        decimals = [decimals_for([np.median(np.abs(c))], digits=2) for c in values.T]
    return matrix(
        values,
        title=f"{title_of(metric)}, all lead times, {_WEIGHTS[weighting]}",
        names=model_names(scores),
        header=header,
        best=best_of(metric),
        decimals=decimals,
        ends=(ends[0], ends[1]),
        name=f"{metric}_{weighting}",
    )


def lead_time_tables(scores: xr.Dataset, *, metric: str = "rmse") -> list[Table]:
    """Tabulate a metric, weighted by area, by model and lead time: one table a channel."""
    place = {"metric": metric, "weighting": "area"}
    tables = []
    for channel, heading in zip(scores["channel"].values, headings(scores), strict=True):
        values, *ends = (
            _of_models(scores, f"score{end}", channel=channel, **place) for end in _ENDS
        )
        tables.append(
            matrix(
                values,
                title=f"{title_of(metric)}: {channel if metric in RATIOS else heading}",
                names=model_names(scores),
                header=_leads(scores),
                best=best_of(metric),
                decimals=[3 if metric in RATIOS else decimals_for(values)] * values.shape[1],
                ends=(ends[0], ends[1]),
                name=f"{metric}_by_lead_time_{channel}",
            )
        )
    return tables


def skill_table(scores: xr.Dataset, *, reference: str = "persistence") -> Table:
    """Tabulate 1 - MSE / MSE of a reference by model and channel, lead times pooled."""
    mse = scores["pooled"].sel(metric="mse", weighting="area")
    skill = 1 - mse / mse.sel(model=reference, drop=True)
    skill = skill.drop_sel(model=reference).transpose("model", "channel")
    return matrix(
        skill.values,
        title=f"Skill against {reference}, all lead times",
        names=model_names(skill),
        header=[str(label) for label in scores["channel"].values],
        best=lambda column: int(np.nanargmax(column)),
        decimals=[3] * scores.sizes["channel"],
        name=f"skill_against_{reference}",
    )


def skill_tables_by_lead(scores: xr.Dataset) -> list[Table]:
    """Tabulate skill by model and lead time: a table a reference and channel, if it was scored."""
    if "mse_skill" not in scores:
        return []
    tables = []
    for reference in map(str, scores["reference"].values):
        others = scores["mse_skill"].sel(reference=reference, weighting="area")
        others = others.drop_sel(model=reference)
        tables += [
            matrix(
                others.sel(channel=channel).transpose("model", "lead_time").values,
                title=f"Skill against {reference}: {channel}",
                names=model_names(others),
                header=_leads(scores),
                best=lambda column: int(np.nanargmax(column)),
                decimals=[3] * scores.sizes["lead_time"],
                name=f"skill_against_{reference}_by_lead_time_{channel}",
            )
            for channel in scores["channel"].values
        ]
    return tables


_ENDS = ("", "_low", "_high")


def _of_models(scores: xr.Dataset, name: str, **place: object) -> np.ndarray:
    """Give a part of an array by model; NaN where there is no such array, as of no intervals."""
    if name not in scores:
        return np.full_like(_of_models(scores, name.rpartition("_")[0], **place), np.nan)
    return np.asarray(scores[name].sel(place).transpose("model", ...).values)


def _leads(scores: xr.Dataset) -> list[str]:
    return [lead_name(scores, lead) for lead in scores["lead_time"].values]


def title_of(metric: str) -> str:
    """Write a metric's name."""
    return _TITLES.get(metric, metric.upper())


def model_names(scores: xr.Dataset | xr.DataArray) -> list[str]:
    """List the models in order."""
    return [str(name) for name in scores["model"].values]


def best_of(metric: str) -> Callable[[np.ndarray], int]:
    """Give the function that finds the best row: the highest correlation, the least error."""
    if metric in RATIOS:
        return lambda column: int(np.nanargmax(column))
    return lambda column: int(np.nanargmin(np.abs(column)))


def window_tables(example: xr.Dataset) -> list[Table]:
    """Tabulate one worked window: at its middle grid point, and as means over the field.

    A table a place and lead time (first and last); cells of models say forecast (error).
    Field means are weighted by area.
    """
    window = example.isel(example=0)
    weights = xr.DataArray(Grid.from_dataset(example).area_weights(), dims="latitude")
    middle = {dim: window.sizes[dim] // 2 for dim in ("latitude", "longitude")}
    point = window.isel(middle)
    place = (
        f"Pixel in row {middle['latitude']}, column {middle['longitude']}"
        if has_images(example)
        else f"Grid point {_degrees(point['latitude'].item(), 'N', 'S')} "
        f"{_degrees(point['longitude'].item(), 'E', 'W')}"
    )
    fields = window[["last_input", "targets", "predictions"]].astype(float)
    mean = fields.weighted(weights).mean(("latitude", "longitude"))
    leads = dict.fromkeys([0, window.sizes["lead_time"] - 1])
    return [
        _window_table(
            values.isel(lead_time=lead),
            title=f"{where}, {lead_name(example, example['lead_time'].values[lead])}",
            header=headings(window),
        )
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
    rows = [
        (name, *(text(v, p) for v, p in zip(row.values, places, strict=True)))
        for name, row in (("last input", values["last_input"]), ("truth", truth))
    ]
    for model in map(str, values["model"].values):
        cells = (
            f"{text(v, p)} ({round(e, p) + 0.0:+.{p}f})" if np.isfinite(v) else UNDEFINED
            for v, e, p in zip(
                values["predictions"].sel(model=model).values,
                error.sel(model=model).values,
                places,
                strict=True,
            )
        )
        rows.append((model, *cells))
    return Table(title, ("", *header), tuple(rows))
