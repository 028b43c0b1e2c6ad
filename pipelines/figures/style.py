"""The look that all figures share: colours, names, grids of panels, saving."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pipelines.atomic import replacing
from pipelines.evaluation.summary import BASELINES

__all__ = ["DOTS_PER_INCH", "color_of", "line_of", "panels", "save"]

DOTS_PER_INCH = 150
_COLORS = 256  # one byte a pixel

# Okabe and Ito's palette, told apart with any common colour blindness; the greys are for
# baselines. Source: https://jfly.uni-koeln.de/color/
_NETWORK_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_NETWORK_LINES = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)))
_BASELINE_COLORS = dict(zip(BASELINES, ("#000000", "#4a4a4a", "#6e6e6e", "#949494"), strict=True))
_BASELINE_LINES = dict(zip(BASELINES, ("--", "-.", ":", (0, (6, 1, 1, 1, 1, 1))), strict=True))


def color_of(model: str, models: Sequence[str]) -> str:
    """Give a model's colour: baselines grey, networks by their order."""
    if model in _BASELINE_COLORS:
        return _BASELINE_COLORS[model]
    return _NETWORK_COLORS[_network_number(model, models) % len(_NETWORK_COLORS)]


def line_of(model: str, models: Sequence[str]) -> object:
    """Give a model's line style; it changes where the colours start again."""
    if model in _BASELINE_LINES:
        return _BASELINE_LINES[model]
    turn = _network_number(model, models) // len(_NETWORK_COLORS)
    return _NETWORK_LINES[turn % len(_NETWORK_LINES)]


def _network_number(model: str, models: Sequence[str]) -> int:
    return [name for name in models if name not in BASELINES].index(model)


def panels(count: int, *, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Lay out `count` panels of the given size [inches], row by row."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    axes = [figure.add_subplot(rows, columns, number + 1) for number in range(count)]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    return figure, axes


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG of 256 colours, whole or not at all.

    A palette makes files three to four times as small; no colour differs so much that an eye
    would see it. The palette is chosen for the largest difference, not the mean one: else thin
    lines, which have few pixels, would take the colour of what is beside them.
    """
    figure.set_dpi(DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # once; `savefig` would draw twice, the first time for the layout alone
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    small = picture.quantize(_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    with replacing(path) as temporary:
        # Level 9 takes five times as long, for a tenth fewer bytes.
        small.save(temporary, format="png", compress_level=6, dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return path
