"""Figures of scores: lead-time curves and the scoreboard."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.evaluation.lead_times import has_images, lead_axis
from pipelines.figures.line_labels import AROUND, CHARACTER, LABEL_LINE, label_line_ends
from pipelines.figures.style import color_of, line_of, panels

__all__ = [
    "curve_panels",
    "draw_lines",
    "lead_time_curves",
    "scoreboard",
]


def lead_time_curves(scores: xr.Dataset, *, metric: str, weighting: str = "area") -> Figure:
    """Draw a metric against lead time: a panel a channel, a labelled line a model.

    Models without a finite value, as the ACC of climatology, are left out. A shade is the 95 %
    interval, where the scores have it. Source: Li et al. 2025, arXiv:2507.17189, figure 7.
    """
    models = [str(name) for name in scores["model"].values]
    place = {"metric": metric, "weighting": weighting}
    score = scores["score"].sel(place)
    ends = tuple(scores[f"score_{end}"].sel(place) for end in _ENDS if f"score_{end}" in scores)
    figure, axes = curve_panels(scores.sizes["channel"], models)
    for panel, channel in zip(axes, scores["channel"].values, strict=True):
        units = str(scores["units"].sel(channel=channel).item())
        draw_lines(panel, score.sel(channel=channel), models)
        if ends:
            _shade(panel, *(end.sel(channel=channel) for end in ends), models=models)
        panel.set_title(str(channel), fontsize=10, loc="left", fontweight="bold")
        unitless = metric not in ("rmse", "mae", "mse", "bias") or units == "1"
        panel.set_ylabel(metric.upper() + ("" if unitless else f" [{units}]"), fontsize=9)
        panel.set_xlabel(lead_axis(scores), fontsize=9)
        if metric in ("rmse", "mae", "mse"):
            panel.set_ylim(bottom=0)
        label_line_ends(panel)
    weights = "" if has_images(scores) else f", {_WEIGHTING[weighting]}"
    figure.suptitle(f"{metric.upper()} by lead time{weights}", fontsize=11)
    return figure


_WEIGHTING = {"area": "weighted by area", "plain": "all grid points alike"}
_ENDS = ("low", "high")


def curve_panels(count: int, models: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Lay out panels of lines with room for the models' names at their right."""
    margin = CHARACTER * max(map(len, models)) + 0.3
    height = max(2.5, AROUND + LABEL_LINE * (len(models) + 1))
    return panels(count, columns=2, width=3.6 + margin, height=height)


def draw_lines(panel: Axes, score: xr.DataArray, models: Sequence[str]) -> None:
    """Draw a line a model of an array over `model` and one more dimension."""
    axis = next(str(dim) for dim in score.dims if dim != "model")
    steps = score[axis].values
    for model in models:
        values = score.sel(model=model).values
        if not np.isfinite(values).any():
            continue
        panel.plot(
            steps,
            values,
            color=color_of(model, models),
            linestyle=line_of(model, models),
            marker="o" if len(steps) <= 12 else None,
            markersize=3,
            linewidth=1.6,
            label=model,
        )
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    if len(steps) <= 6:
        panel.set_xticks(steps)
    else:
        panel.locator_params(axis="x", integer=True)


def _shade(panel: Axes, low: xr.DataArray, high: xr.DataArray, *, models: Sequence[str]) -> None:
    """Shade intervals by lead time."""
    for model in models:
        lower, upper = (end.sel(model=model).values for end in (low, high))
        if np.isfinite([lower, upper]).any():
            panel.fill_between(
                low["lead_time"].values, lower, upper, color=color_of(model, models), alpha=0.13,
                linewidth=0,
            )  # fmt: skip


def scoreboard(scores: xr.Dataset) -> Figure:
    """Draw the normalized RMSE of every model as bars, best on top; baselines are grey.

    A line across the end of a bar is the 95 % interval, where the scores have it.
    """
    ranked = scores["normalized_rmse"].to_series().sort_values(ascending=False)
    models = [str(name) for name in scores["model"].values]
    names = [str(name) for name in ranked.index]
    width = 5.0 + CHARACTER * max(map(len, names))
    figure = Figure(figsize=(width, 0.9 + 0.36 * len(names)), layout="constrained")
    panel = figure.add_subplot()
    panel.barh(names, ranked.values, color=[color_of(name, models) for name in names])
    right = ranked.to_numpy().copy()
    if "normalized_rmse_low" in scores:
        low, high = (scores[f"normalized_rmse_{end}"].to_series()[names] for end in _ENDS)
        for number, (left, end) in enumerate(zip(low, high, strict=True)):
            if np.isfinite(end):
                panel.plot([left, end], [number] * 2, color="white", linewidth=3.6)
                panel.plot([left, end], [number] * 2, color="#222222", linewidth=1.4)
                right[number] = max(right[number], end)
    for number, (value, end) in enumerate(zip(ranked.values, right, strict=True)):
        panel.annotate(
            f"{value:.4f}", (end, number), xytext=(5, 0), textcoords="offset points", fontsize=9,
            va="center",
        )  # fmt: skip
    panel.set_xlim(0, 1.15 * right.max())
    panel.set_xlabel("normalized RMSE: RMSE / training std, mean over channels", fontsize=9)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0, labelsize=9)
    panel.tick_params(axis="x", labelsize=8)
    return figure
