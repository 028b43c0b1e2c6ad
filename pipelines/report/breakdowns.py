"""Scores by region, season and hour of day, of winds and of whole fields, as tables."""

import numpy as np
import xarray as xr

from pipelines.evaluation.lead_times import has_images
from pipelines.evaluation.summary import decimals_for
from pipelines.report.table import Table, matrix
from pipelines.report.tables import RATIOS, best_of, headings, model_names, title_of

__all__ = ["group_tables", "image_tables", "per_time_table", "wind_table"]

_GROUPS = {"region": "regional", "season": "seasonal", "init_hour": "hourly"}
_METRICS = ("rmse", "bias", "acc")


def group_tables(scores: xr.Dataset, group: str) -> list[Table]:
    """Tabulate RMSE, bias and ACC by `region`, `season` or `init_hour`, area weighted.

    All lead times together: squared errors are averaged before the root, bias and ACC over
    leads as they are. Rows are pairs of group and model, but for hours of day: a table a
    channel with a column an hour. RMSE has intervals where the scores have them. Groups
    without a forecast are left out; no table where the scores have no such groups.
    """
    name = _GROUPS[group]
    if name not in scores or (has_images(scores) and group != "region"):
        return []  # sequences have neither seasons nor hours of day
    by_group = scores[name].sel(weighting="area")
    known = by_group.sel(metric="mse").notnull().any(("model", "channel", "lead_time"))
    by_group = by_group.isel({group: known.values})
    if by_group.sizes[group] == 0 or (group == "region" and by_group.sizes[group] < 2):
        return []  # the whole field alone is no breakdown
    make = _hour_tables if group == "init_hour" else _long_tables
    return make(scores, by_group, group=group)


def _long_tables(scores: xr.Dataset, by_group: xr.DataArray, *, group: str) -> list[Table]:
    """Give a table a metric; a row has group and model."""
    tables = []
    for metric in _METRICS:
        values = _pooled(by_group, metric)
        low, high = (_end(scores, values, group=group, end=end) for end in ("low", "high"))
        labels = [str(x) for x in by_group[group].values]
        rows = [(g, m) for g in labels for m in model_names(scores)]
        flat, low, high = (x.reshape(len(rows), -1) for x in (values.values, low, high))
        inner = matrix(
            flat,
            title=f"{title_of(metric)} by {group}, all lead times, weighted by area",
            names=[m for _, m in rows],
            header=_header(scores, metric),
            best=None,
            decimals=_decimals(flat, metric),
            ends=None if metric != "rmse" else (low, high),
            name=f"{metric}_by_{group}",
        )
        size = len(model_names(scores))
        best = frozenset(
            (start + best_of(metric)(flat[start : start + size, column]), column + 2)
            for start in range(0, len(rows), size)
            for column in range(flat.shape[1])
            if np.isfinite(flat[start : start + size, column]).any()
        )
        tables.append(
            Table(
                inner.title,
                (group, *inner.header),
                tuple((g, *row) for (g, _), row in zip(rows, inner.rows, strict=True)),
                best,
                {(row, column + 1): ends for (row, column), ends in inner.intervals.items()},
                inner.name,
                num_labels=2,
            )
        )
    return tables


def _hour_tables(scores: xr.Dataset, by_group: xr.DataArray, *, group: str) -> list[Table]:
    """Give a table of RMSE a channel, with a column an hour."""
    values = _pooled(by_group, "rmse")
    low, high = (_end(scores, values, group=group, end=end) for end in ("low", "high"))
    return [
        matrix(
            values.isel(channel=place).values.T,
            title=f"RMSE by hour of day (UTC) of the init time: {heading}",
            names=model_names(scores),
            header=[f"{int(hour):02d}" for hour in values[group].values],
            best=best_of("rmse"),
            ends=(low[..., place].T, high[..., place].T),
            name=f"rmse_by_hour_{scores['channel'].values[place]}",
        )
        for place, heading in enumerate(headings(scores))
    ]


def _header(scores: xr.Dataset, metric: str) -> list[str]:
    """Give channels, with their units where the metric has one."""
    if metric in RATIOS:
        return [str(label) for label in scores["channel"].values]
    return headings(scores)


def _decimals(values: np.ndarray, metric: str) -> list[int] | None:
    """Choose decimals a column; a bias may be almost 0, so the median sets its digits."""
    if metric in RATIOS:
        return [3] * values.shape[1]
    if metric == "bias":
        return [decimals_for([np.nanmedian(np.abs(c))], digits=2) for c in values.T]
    return None


def _pooled(by_group: xr.DataArray, metric: str) -> xr.DataArray:
    """Put lead times together: all have the same windows, so means are means of means."""
    by_lead = by_group.sel(metric="mse" if metric == "rmse" else metric)
    mean = by_lead.mean("lead_time", skipna=False)
    dims = (str(by_group.dims[1]), "model", "channel")
    return (xr.ufuncs.sqrt(mean) if metric == "rmse" else mean).transpose(*dims)


def _end(scores: xr.Dataset, values: xr.DataArray, *, group: str, end: str) -> np.ndarray:
    """Give one end of the intervals of RMSE by group, NaN without."""
    name = f"{group}_rmse_{end}"
    if name not in scores:
        return np.full(values.shape, np.nan)
    ends = scores[name].sel(weighting="area").sel({group: values[group]})
    return np.asarray(ends.transpose(*values.dims).values)


def wind_table(scores: xr.Dataset) -> Table | None:
    """Tabulate the RMSE of wind vectors by model, wind and lead time."""
    if "vector_wind_rmse" not in scores:
        return None
    values = scores["vector_wind_rmse"].sel(weighting="area").transpose("model", "wind", ...)
    stacked = values.stack(column=("wind", "lead_time"))
    return matrix(
        stacked.values,
        title="RMSE of wind vectors [m s-1], weighted by area",
        names=model_names(scores),
        header=[f"{wind} +{int(lead)} h" for wind, lead in stacked["column"].values],
        best=best_of("rmse"),
        name="vector_wind_rmse",
    )


def image_tables(scores: xr.Dataset) -> list[Table]:
    """Tabulate SSIM and PSNR by model and channel, means over lead times."""
    if "image_quality" not in scores:
        return []
    tables = []
    for name, title, places in (("ssim", "SSIM", 3), ("psnr", "PSNR [dB]", 1)):
        values = scores["image_quality"].sel(image_metric=name).mean("lead_time", skipna=False)
        if not np.isfinite(values).any():  # fields too small for SSIM
            continue
        tables.append(
            matrix(
                values.transpose("model", "channel").values,
                title=f"{title}, mean over lead times",
                names=model_names(scores),
                header=[str(label) for label in scores["channel"].values],
                best=lambda column: int(np.nanargmax(column)),
                decimals=[places] * scores.sizes["channel"],
                name=name,
            )
        )
    return tables


def per_time_table(scores: xr.Dataset) -> Table | None:
    """Tabulate the mean of the ACC of single init times, mean over lead times."""
    if "acc_per_time" not in scores:
        return None
    values = scores["acc_per_time"].sel(acc_form="uncentred", weighting="area")
    return matrix(
        values.mean("lead_time", skipna=False).transpose("model", "channel").values,
        title="ACC of single init times, mean over them and lead times, weighted by area",
        names=model_names(scores),
        header=[str(label) for label in scores["channel"].values],
        best=best_of("acc"),
        decimals=[3] * scores.sizes["channel"],
        name="acc_per_time",
    )
