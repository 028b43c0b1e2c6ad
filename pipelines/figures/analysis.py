"""Figures of the analyses: CKA between variables by layer, attention between variables."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from pipelines.figures.style import color_of, line_of, panels

__all__ = [
    "attention_change_maps",
    "attention_heat_maps",
    "cka_curves",
    "cka_heat_maps",
    "cka_layer_maps",
    "models_with",
]

_WRITE_VALUES_UP_TO = 8  # variables
_LAYER_NAMES_UP_TO = 24


def models_with(analysis: xr.Dataset, kind: str) -> list[str]:
    """List the models whose analysis has a kind: `cka`, `attention`, or `cka_layers`."""
    prefix = "cka_layers_" if kind == "cka_layers" else f"{kind}_mean_"
    return [str(name).removeprefix(prefix) for name in analysis if str(name).startswith(prefix)]


def cka_curves(
    analysis: xr.Dataset,
    *,
    pair: tuple[str, str] | None = None,
    order: Sequence[str] | None = None,
) -> Figure:
    """Draw CKA between variables along the layers, for one pair and the mean over all pairs.

    Every part of a network (encoder, translator, decoder) has the same width, so that
    networks of different depth can be compared. Source: Li et al. 2025, arXiv:2507.17189,
    figure 5.

    Args:
        analysis: as `pipelines.evaluation.analyze` writes it.
        pair: two variables; by default t2m and tcc, as in the paper, else the first two.
        order: models in the order that sets their colours; that of the file by default.
    """
    models = models_with(analysis, "cka")
    first, second = pair or _default_pair(tuple(map(str, analysis["variable"].values)))
    parts = list(dict.fromkeys(_part(x) for m in models for x in analysis[f"layer_{m}"].values))
    figure, axes = panels(2, columns=2, width=5.2, height=3.4)
    for panel, title in zip(axes, (f"{first} and {second}", "mean over all pairs"), strict=True):
        _shade_parts(panel, parts)
        panel.set_title(title, fontsize=10, loc="left")
        panel.set_ylim(_lowest(analysis, models), 1.12)
        panel.set_yticks(np.linspace(0, 1, 6))
        panel.set_xlabel("layers, first to last", fontsize=9)
    axes[0].set_ylabel("linear CKA", fontsize=9)
    for model in models:
        x = _positions(analysis[f"layer_{model}"].values, parts)
        of_pair = analysis[f"cka_{model}"].sel(variable=first, variable_2=second)
        for panel, values in zip(axes, (of_pair, analysis[f"cka_mean_{model}"]), strict=True):
            panel.plot(
                x,
                values,
                color=color_of(model, order or models),
                linestyle=line_of(model, order or models),
                marker="o",
                markersize=4,
                label=model,
            )
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=min(3, len(models)),
        fontsize=8.5,
        frameon=False,
    )
    return figure


def _lowest(analysis: xr.Dataset, models: Sequence[str]) -> float:
    """Give the lower end of the axis; the unbiased estimate of CKA may fall below 0."""
    lowest = min((float(analysis[f"cka_{m}"].min()) for m in models), default=0.0)
    return min(0.0, lowest) - 0.03


def _part(layer: str) -> str:
    return str(layer).split(".")[0]


def _positions(layers: np.ndarray, parts: list[str]) -> list[float]:
    """Place layers evenly inside their part, which spans [i, i + 1)."""
    names = [_part(layer) for layer in layers]
    seen = dict.fromkeys(names, 0)
    positions = []
    for name in names:
        positions.append(parts.index(name) + (seen[name] + 0.5) / names.count(name))
        seen[name] += 1
    return positions


def _shade_parts(panel: Axes, parts: list[str]) -> None:
    for number, part in enumerate(parts):
        panel.axvspan(
            number, number + 1, color="#f1f1f1" if number % 2 == 0 else "#e0e0e0", linewidth=0
        )
        panel.text(number + 0.5, 1.055, part, ha="center", va="center", fontsize=8.5, color="#444")
    panel.set_xlim(0, len(parts))
    panel.set_xticks([])


def _default_pair(variables: tuple[str, ...]) -> tuple[str, str]:
    """Choose the pair of the paper's Figure 5 where there is one."""
    return ("t2m", "tcc") if {"t2m", "tcc"} <= set(variables) else (variables[0], variables[1])


def cka_heat_maps(analysis: xr.Dataset, *, model: str) -> Figure:
    """Draw CKA between all variables at the last layer of each part of a network."""
    layers = [str(layer) for layer in analysis[f"layer_{model}"].values]
    last = {_part(layer): number for number, layer in enumerate(layers)}
    size = _panel_size(analysis.sizes["variable"])
    figure, axes = panels(len(last), columns=4, width=size, height=size)
    for panel, number in zip(axes, last.values(), strict=True):
        matrix = analysis[f"cka_{model}"].isel({f"layer_{model}": number})
        mesh = _draw_matrix(panel, matrix, high=1.0)
        panel.set_title(layers[number], fontsize=9)
    figure.colorbar(mesh, ax=axes, shrink=0.8).set_label("linear CKA", fontsize=9)
    figure.suptitle(f"{model}: CKA between variables", fontsize=10)
    return figure


def cka_layer_maps(analysis: xr.Dataset, *, order: Sequence[str] | None = None) -> Figure:
    """Draw CKA between all layers of every model, first layer at the top left."""
    found = models_with(analysis, "cka_layers")
    models = [m for m in order or found if m in found]
    most = max(analysis.sizes[f"layer_{m}"] for m in models)
    size = 2.6 + 0.09 * min(most, _LAYER_NAMES_UP_TO)
    figure, axes = panels(len(models), columns=3, width=size + 0.5, height=size)
    for panel, model in zip(axes, models, strict=True):
        cka = analysis[f"cka_layers_{model}"]
        mesh = panel.imshow(cka.values, cmap="viridis", vmin=0, vmax=1)
        names = [str(name) for name in cka[f"layer_{model}"].values]
        step = -(-len(names) // _LAYER_NAMES_UP_TO)
        panel.set_yticks(range(0, len(names), step), names[::step], fontsize=6.5)
        panel.set_xticks([])
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        panel.set_title(model, fontsize=9)
    figure.colorbar(mesh, ax=axes, shrink=0.8).set_label("linear CKA", fontsize=9)
    figure.suptitle("CKA between layers", fontsize=10)
    return figure


def attention_change_maps(analysis: xr.Dataset, *, model: str) -> Figure:
    """Draw how attention varies between samples, and how it differs from season to season.

    The first panel is the standard deviation over samples of the mean over blocks and heads;
    one more for every season that has samples, where there are two or more: its mean less that
    of all seasons.
    """
    spread = analysis[f"attention_std_over_samples_{model}"]
    with_samples = analysis["season"].values[analysis["season_count"].values > 0]
    seasons = [str(name) for name in with_samples] if len(with_samples) > 1 else []
    size = _panel_size(analysis.sizes["variable"])
    figure, axes = panels(1 + len(seasons), columns=3, width=size + 0.5, height=size)
    mesh = _draw_matrix(axes[0], spread, high=float(spread.max()) or 1.0, digits=3)
    axes[0].set_title("spread over samples (std)", fontsize=9)
    figure.colorbar(mesh, ax=axes[0], shrink=0.8).ax.tick_params(labelsize=7)
    change = analysis[f"attention_season_change_{model}"].sel(season=seasons)
    limit = float(np.abs(change).max()) if seasons else 1.0
    for panel, season in zip(axes[1:], seasons, strict=True):
        mesh = _draw_matrix(
            panel, change.sel(season=season), high=limit or 1.0, low=-(limit or 1.0),
            cmap="RdBu_r", digits=3,
        )  # fmt: skip
        count = int(analysis["season_count"].sel(season=season))
        panel.set_title(f"{season} ({count} samples)", fontsize=9)
    if seasons:
        bar = figure.colorbar(mesh, ax=axes, location="bottom", shrink=0.5, aspect=40)
        bar.set_label("season less all seasons", fontsize=9)
        bar.ax.tick_params(labelsize=7)
    figure.suptitle(f"{model}: change of the attention between variables", fontsize=10)
    return figure


def attention_heat_maps(analysis: xr.Dataset, *, model: str) -> Figure:
    """Draw attention between variables, averaged over all blocks and block by block.

    Rows are the predicted variables and sum to 1. Source: Li et al. 2025,
    arXiv:2507.17189, figure 8.
    """
    overall = analysis[f"attention_mean_{model}"]
    # The file's block axis is that of the deepest network; others end in blocks of NaN.
    blocks = analysis[f"attention_{model}"].dropna("block", how="all")
    size = _panel_size(analysis.sizes["variable"])
    figure, axes = panels(1 + blocks.sizes["block"], columns=3, width=size + 0.3, height=size)
    high = float(max(overall.max(), blocks.max()))
    matrices = [overall, *(blocks.isel(block=i) for i in range(blocks.sizes["block"]))]
    titles = ["mean over blocks", *(f"block {i + 1}" for i in range(blocks.sizes["block"]))]
    for panel, matrix, title in zip(axes, matrices, titles, strict=True):
        mesh = _draw_matrix(panel, matrix, high=high)
        panel.set_title(title, fontsize=9)
    figure.colorbar(mesh, ax=axes, shrink=0.8).set_label("attention weight", fontsize=9)
    figure.supylabel("predicted variable", fontsize=9)
    figure.supxlabel("variable attended to", fontsize=9)
    figure.suptitle(f"{model}: attention between variables", fontsize=10)
    return figure


def _panel_size(variables: int) -> float:
    """Give the side of a heat map's panel [inches]."""
    return 2.0 + 0.28 * variables


def _draw_matrix(
    panel: Axes,
    matrix: xr.DataArray,
    *,
    high: float,
    low: float = 0.0,
    cmap: str = "viridis",
    digits: int = 2,
) -> ScalarMappable:
    """Draw variables against variables, with the values where there is room."""
    names = [str(name) for name in matrix["variable"].values]
    values = matrix.transpose("variable", "variable_2").values
    mesh = panel.imshow(values, cmap=cmap, vmin=low, vmax=high)
    panel.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(names)), names)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    if len(names) <= _WRITE_VALUES_UP_TO:
        for (row, column), value in np.ndenumerate(values):
            red, green, blue, _ = mesh.to_rgba(value)
            # Luminance, Rec. 709 weights.
            is_bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45
            panel.text(
                column, row, f"{value:.{digits}f}", color="black" if is_bright else "white",
                fontsize=7, ha="center", va="center",
            )  # fmt: skip
    return mesh
