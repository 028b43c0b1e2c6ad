"""A field drawn as coloured cells: in degrees with coastlines, or in pixels."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from met2net.data.grid import cell_edges
from pipelines.evaluation.lead_times import has_images
from pipelines.figures.coasts import draw_coast
from pipelines.maps.coastlines import Coastlines

__all__ = ["draw_cells", "map_aspect"]


def map_aspect(dataset: xr.Dataset | xr.DataArray) -> float:
    """Give a map's height over width; a degree of longitude is shortened at its mean latitude."""
    if has_images(dataset):
        return dataset.sizes["latitude"] / dataset.sizes["longitude"]
    latitude, longitude = dataset["latitude"].values, dataset["longitude"].values
    tall = abs(cell_edges(latitude)[-1] - cell_edges(latitude)[0])
    wide = cell_edges(longitude)[-1] - cell_edges(longitude)[0]
    return float(tall / wide / _shortening(latitude))


def draw_cells(
    panel: Axes, field: xr.DataArray, *, is_image: bool, coast: Coastlines, **style: Any
) -> QuadMesh:
    """Draw one field; an image from its upper left pixel on.

    Args:
        panel: to draw on; its limits and proportions are set.
        field: over `latitude, longitude`.
        is_image: its axes count pixels.
        coast: lines on top, not of images.
        style: of the cells: `cmap`, `vmin`, `vmax`.
    """
    values = field.transpose("latitude", "longitude").values
    if is_image:
        x, y = np.arange(values.shape[1], dtype=float), np.arange(values.shape[0], dtype=float)
    else:
        x, y = field["longitude"].values, field["latitude"].values
    columns, rows = cell_edges(x), cell_edges(y)
    mesh = panel.pcolormesh(columns, rows, values, rasterized=True, **style)
    panel.set_xlim(columns[0], columns[-1])
    # Rows of an image count downwards; latitudes point upwards.
    panel.set_ylim((rows[-1], rows[0]) if is_image else (rows.min(), rows.max()))
    if is_image:
        panel.set_aspect(1)
    else:
        panel.set_aspect(1 / _shortening(y))
        draw_coast(panel, coast)
    return mesh


def _shortening(latitude: np.ndarray) -> float:
    return max(float(np.cos(np.deg2rad(latitude.mean()))), 0.2)
