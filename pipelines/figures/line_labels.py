"""Names of lines beside their ends, in place of a legend."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

__all__ = ["AROUND", "CHARACTER", "LABEL_LINE", "label_line_ends", "spread"]

LABEL_LINE = 0.17
"""Height of a label's line [inches]."""
AROUND = 0.95
"""Height of title, ticks and label of a panel [inches]."""
CHARACTER = 0.068
"""Width of a character of a label [inches]."""


def label_line_ends(panel: Axes) -> None:
    """Write each line's name beside its last point, moved apart where they would touch."""
    low, high = panel.get_ylim()  # scales the axis first; its transform alone would not
    lines = [line for line in panel.lines if not str(line.get_label()).startswith("_")]
    # What runs out of the panel is pointed at where it leaves.
    ends = [
        (np.asarray(line.get_xdata())[-1], np.clip(np.asarray(line.get_ydata())[-1], low, high))
        for line in lines
    ]
    fractions = [float((y - low) / (high - low)) for _, y in ends]
    place, figure = panel.get_subplotspec(), panel.get_figure(root=True)
    assert place is not None and figure is not None  # panels are made by `subplots`
    grid = place.get_gridspec()
    gap = LABEL_LINE / (figure.get_figheight() / grid.nrows - AROUND)
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
