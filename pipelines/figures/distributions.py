"""How variables are distributed, and what models cost beside what they can do."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from pipelines.evaluation.lead_times import has_images
from pipelines.figures.line_labels import CHARACTER, label_line_ends
from pipelines.figures.style import color_of, panels

__all__ = ["resources_and_skill", "value_distributions"]

# Source: https://jfly.uni-koeln.de/color/, as in `style`.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINES = ("-", "--", ":", "-.")
_FAR_APART = 5.0  # sizes, the largest over the smallest: on an axis by decades


def value_distributions(analysis: xr.Dataset) -> Figure:
    """Draw the density of every channel's values, and of their change from frame to frame.

    In training standard deviations: channels of one shape would lie on one line. Source: Li et
    al. 2025, arXiv:2507.17189, figure 1.
    """
    channels = [str(label) for label in analysis["channel"].values]
    height = max(3.0, 0.7 + 0.17 * len(channels))
    figure, axes = panels(2, columns=2, width=4.6, height=height)
    step = int(analysis.attrs["change_hours"])
    span = "a frame" if has_images(analysis) else f"{step} h"
    for panel, name, label in (
        (axes[0], "value", "value less its mean [standard deviations]"),
        (axes[1], "change", f"change in {span} [standard deviations]"),
    ):
        density = analysis[f"{name}_density"]
        for number, channel in enumerate(channels):
            values = density.sel(channel=channel).values
            panel.plot(
                analysis[f"{name}_bin"].values, np.where(values > 0, values, np.nan),
                color=_COLORS[number % len(_COLORS)], linewidth=1.4, label=channel,
                linestyle=_LINES[number // len(_COLORS) % len(_LINES)],
            )  # fmt: skip
        panel.set_yscale("log")
        panel.set_xlabel(label, fontsize=9)
        panel.set_ylabel("density", fontsize=9)
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center",
        ncols=min(8, len(channels)), fontsize=8.5, frameon=False,
    )  # fmt: skip
    return figure


def resources_and_skill(
    analysis: xr.Dataset, scores: xr.Dataset, *, costs: xr.Dataset | None = None
) -> Figure:
    """Draw normalized RMSE against parameters, multiply-adds and the time of a training step.

    Source: Li et al. 2025, arXiv:2507.17189, table 11.

    Args:
        analysis: as `pipelines.evaluation.analyze` writes it.
        scores: of the same networks.
        costs: as `pipelines.training.costs_file` writes it; None: no panel of times.
    """
    models = [str(name) for name in analysis["network"].values]
    order = [str(name) for name in scores["model"].values]
    error = scores["normalized_rmse"].sel(model=models).values
    sizes = {
        "parameters": analysis["parameters"].values,
        "multiply-adds of one forecast": analysis["multiply_adds"].values,
    }
    if costs is not None:
        known = costs.reindex(network=models)
        # Networks may be trained with other batch sizes.
        sizes["training step, ms a window"] = (
            1e3 * known["step_time"].values / known["batch_size"].values
        )
    width = (3.8 if costs is None else 3.2) + CHARACTER * max(map(len, models))
    height = max(2.8, 1.2 + 0.17 * len(models))
    figure, axes = panels(len(sizes), columns=len(sizes), width=width, height=height)
    for panel, (label, values) in zip(axes, sizes.items(), strict=True):
        for model, x, y in zip(models, values.astype(float), error, strict=True):
            if np.isfinite(x):
                panel.plot([x], [y], "o", color=color_of(model, order), markersize=7, label=model)
        _scale_sizes(panel, values)
        panel.margins(x=0.12, y=0.15)
        panel.set_xlabel(label, fontsize=9)
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
        label_line_ends(panel)
    axes[0].set_ylabel("normalized RMSE", fontsize=9)
    figure.suptitle("What models cost and how they score", fontsize=11)
    return figure


def _scale_sizes(panel: Axes, values: np.ndarray) -> None:
    """Scale an axis of sizes: by decades where they differ much, else evenly."""
    known = values[np.isfinite(values) & (values > 0)]
    if len(known) and known.max() > _FAR_APART * known.min():
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panel.xaxis.set_minor_formatter(NullFormatter())
    else:
        panel.locator_params(axis="x", nbins=4)
    panel.xaxis.set_major_formatter(EngFormatter(sep=" "))
