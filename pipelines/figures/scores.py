"""Figures of scores: lead-time curves, scoreboard, training curves."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from pipelines.evaluation.lead_times import has_images, lead_axis
from pipelines.figures.style import color_of, line_of, panels

__all__ = [
    "CHARACTER",
    "curve_panels",
    "draw_lines",
    "label_line_ends",
    "lead_time_curves",
    "scoreboard",
    "training_curves",
]

_LABEL_LINE = 0.17  # height of a label's line [inches]
_AROUND = 0.95  # height of title, ticks and label of a panel [inches]
CHARACTER = 0.068  # width of a character of a label [inches]


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
    height = max(2.5, _AROUND + _LABEL_LINE * (len(models) + 1))
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
        panel.xaxis.get_major_locator().set_params(integer=True)


def _shade(panel: Axes, low: xr.DataArray, high: xr.DataArray, *, models: Sequence[str]) -> None:
    """Shade intervals by lead time."""
    for model in models:
        ends = [end.sel(model=model).values for end in (low, high)]
        if np.isfinite(ends).any():
            panel.fill_between(
                low["lead_time"].values, *ends, color=color_of(model, models), alpha=0.13,
                linewidth=0,
            )  # fmt: skip


def label_line_ends(panel: Axes) -> None:
    """Write each line's name beside its last point, moved apart where they would touch."""
    low, high = panel.get_ylim()  # scales the axis first; its transform alone would not
    lines = [line for line in panel.lines if not str(line.get_label()).startswith("_")]
    # What runs out of the panel is pointed at where it leaves.
    ends = [(line.get_xdata()[-1], np.clip(line.get_ydata()[-1], low, high)) for line in lines]
    fractions = [(y - low) / (high - low) for _, y in ends]
    grid = panel.get_subplotspec().get_gridspec()
    gap = _LABEL_LINE / (panel.get_figure().get_figheight() / grid.nrows - _AROUND)
    heights = _inside(spread(fractions, gap=gap), gap=gap)
    for line, end, y in zip(lines, ends, heights, strict=True):
        panel.annotate(
            str(line.get_label()),
            xy=end,
            xytext=(1.05, y),
            textcoords="axes fraction",
            color=line.get_color(),
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "linewidth": 0.6,
                "alpha": 0.6,
                "shrinkA": 1,
                "shrinkB": 2,
            },
        )


def _inside(positions: list[float], *, gap: float) -> list[float]:
    """Move positions that are `gap` apart into 0 to 1, their order kept."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = list(positions)
    lowest = 0.0
    for i in order:
        placed[i] = max(placed[i], lowest)
        lowest = placed[i] + gap
    highest = max(1.0, gap * (len(positions) - 1))
    for i in reversed(order):
        placed[i] = min(placed[i], highest)
        highest = placed[i] - gap
    return placed


def spread(positions: Sequence[float], *, gap: float) -> list[float]:
    """Move positions apart until neighbours are `gap` apart, in order, as little as needed.

    Touching labels form a block centred on the mean of what they point at.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[list[float]] = []  # (mean of the wanted positions, number of labels)
    for i in order:
        blocks.append([positions[i], 1])
        while len(blocks) > 1 and _overlap(blocks[-2], blocks[-1], gap):
            centre, count = blocks.pop()
            other, number = blocks.pop()
            total = count + number
            blocks.append([(centre * count + other * number) / total, total])
    placed = [
        centre + gap * (k - (count - 1) / 2) for centre, count in blocks for k in range(int(count))
    ]
    result = [0.0] * len(positions)
    for i, y in zip(order, placed, strict=True):
        result[i] = y
    return result


def _overlap(lower: list[float], upper: list[float], gap: float) -> bool:
    # 1e-9: blocks exactly a gap apart do not touch, whatever the rounding says.
    return upper[0] - lower[0] < gap * (upper[1] + lower[1]) / 2 - 1e-9


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


def training_curves(
    curves: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]],
    *,
    order: Sequence[str] | None = None,
) -> Figure:
    """Draw validation RMSE and training losses by epoch.

    Args:
        curves: model -> column of its `metrics.csv` -> (epoch, value) pairs.
        order: models in the order that sets their colours; that of `curves` by default.
    """
    models = list(order or curves)
    losses = list(dict.fromkeys(c for table in curves.values() for c in table if _is_loss(c)))
    figure, (validation, training) = panels(2, columns=2, width=5.4, height=3.2)
    for model, table in curves.items():
        for column, points in table.items():
            if column != "val_rmse" and column not in losses:
                continue
            epochs, values = zip(*points, strict=True)
            (validation if column == "val_rmse" else training).plot(
                epochs,
                values,
                color=color_of(model, models),
                linestyle=_loss_line(column, losses),
                linewidth=1.5,
                marker="o" if len(epochs) <= 20 else None,
                markersize=3,
            )
    labels = ("validation RMSE [normalized]", "training losses [normalized]")
    for panel, label in zip((validation, training), labels, strict=True):
        _style_epochs(panel, label)
    # Above the panel: inside, it would cover a curve sooner or later.
    training.legend(
        handles=[
            Line2D([], [], color="#444444", linestyle=_loss_line(name, losses), label=_name(name))
            for name in losses
        ],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
        fontsize=8,
        frameon=False,
    )
    figure.legend(
        handles=[Line2D([], [], color=color_of(m, models), label=m) for m in curves],
        loc="outside upper center",
        ncols=min(3, len(curves)),
        fontsize=8.5,
        frameon=False,
    )
    return figure


def _style_epochs(panel: Axes, label: str) -> None:
    panel.set_ylabel(label, fontsize=9)
    panel.set_xlabel("epoch", fontsize=9)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.xaxis.get_major_locator().set_params(integer=True)
    if panel.lines:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(LogLocator(subs=(2.0, 3.0, 5.0)))
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.tick_params(which="both", labelsize=8)


def _is_loss(column: str) -> bool:
    return column.startswith("train_")


def _loss_line(column: str, losses: Sequence[str]) -> str:
    return "-" if column not in losses else _LOSS_LINES[losses.index(column) % len(_LOSS_LINES)]


def _name(column: str) -> str:
    return column.removeprefix("train_").replace("_", " ")


_LOSS_LINES = ("-", "--", ":", "-.")
