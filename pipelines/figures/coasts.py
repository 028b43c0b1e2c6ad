"""Coastlines on a map that is drawn already."""

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from pipelines.maps.coastlines import Coastlines

__all__ = ["draw_coast"]


def draw_coast(panel: Axes, coast: Coastlines) -> None:
    """Draw the lines inside the panel's limits, which stay as they are.

    Dark on a light edge, they can be seen on any colour.
    """
    (west, east), (south, north) = panel.get_xlim(), panel.get_ylim()
    lines = coast.within(west=west, east=east, south=south, north=north)
    if not lines:
        return
    for color, width, alpha in (("white", 1.3, 0.5), ("#1a1a1a", 0.5, 0.9)):
        panel.add_collection(
            LineCollection(lines, colors=color, linewidths=width, alpha=alpha, zorder=1.5),
            autolim=False,
        )
    panel.set_xlim(west, east)
    panel.set_ylim(south, north)
