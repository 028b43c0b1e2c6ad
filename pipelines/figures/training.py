"""Figure of trainings: validation RMSE and losses by epoch."""

from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from pipelines.figures.style import color_of, panels

__all__ = ["training_curves"]


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
    panel.locator_params(axis="x", integer=True)
    if panel.lines:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(LogLocator(subs=(2.0, 3.0, 5.0)))
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.tick_params(which="both", labelsize=8)


def _is_loss(column: str) -> bool:
    return column.startswith("train_")


_Line = Literal["-", "--", ":", "-."]


def _loss_line(column: str, losses: Sequence[str]) -> _Line:
    return "-" if column not in losses else _LOSS_LINES[losses.index(column) % len(_LOSS_LINES)]


def _name(column: str) -> str:
    return column.removeprefix("train_").replace("_", " ")


_LOSS_LINES: tuple[_Line, ...] = ("-", "--", ":", "-.")
