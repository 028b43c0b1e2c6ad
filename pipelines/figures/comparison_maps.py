"""Maps of one worked window as the paper draws them: truth, every model, and its absolute error."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from pipelines.evaluation.lead_times import has_images
from pipelines.figures.cells import draw_cells
from pipelines.maps.coastlines import Coastlines
from pipelines.maps.settings import MapSettings

__all__ = ["comparison_maps"]

_WIDTH = 2.3  # of a panel [inches]
_DEFAULT = MapSettings()


def comparison_maps(
    example: xr.Dataset,
    *,
    channel: str,
    models: Sequence[str],
    number: int = 0,
    settings: MapSettings = _DEFAULT,
) -> Figure:
    """Draw one channel, a row a lead time.

    Truth and forecasts share one colour scale over all lead times, and so do the errors.
    Source: Li et al. 2025, arXiv:2507.17189, figures 4 and 10 to 16.

    Args:
        example: as `pipelines.evaluation.evaluate.write_examples` writes it.
        channel: what is drawn.
        models: in the order of the columns.
        number: which worked window.
        settings: which lead times, which coastlines.
    """
    window = example.isel(example=number).sel(channel=channel)
    leads = settings.shown(example["lead_time"].values.tolist())
    truth = window["targets"].isel(lead_time=leads)
    forecasts = [window["predictions"].sel(model=m).isel(lead_time=leads) for m in models]
    errors = [abs(forecast - truth) for forecast in forecasts]
    fields = [("truth", truth), *zip(models, forecasts, strict=True)]
    # Older files do not say their form; axes of images span a few hundredths of a degree.
    is_image = has_images(example) or float(np.ptp(window["latitude"].values)) < 1.0
    aspect = truth.sizes["latitude"] / truth.sizes["longitude"]
    num = len(fields) + len(errors)
    height = _WIDTH * (aspect if is_image else max(aspect, 0.4))
    figure = Figure(figsize=(num * _WIDTH, len(leads) * (height + 0.3) + 1.1), layout="constrained")
    axes = figure.subplots(len(leads), num, squeeze=False, sharex=True, sharey=True)
    low = min(float(field.min()) for _, field in fields)
    high = max(float(field.max()) for _, field in fields)
    most = max(float(error.max()) for error in errors) or 1.0
    draw = partial(_draw, is_image=is_image, coast=settings.coast)
    for row, lead in enumerate(truth["lead_time"].values):
        for column, (name, field) in enumerate(fields):
            shown = draw(axes[row, column], field.isel(lead_time=row), "viridis", low, high)
            axes[row, column].set_title(f"{name}, {_when(lead, is_image)}", fontsize=8)
        for column, (name, error) in enumerate(zip(models, errors, strict=True), len(fields)):
            wrong = draw(axes[row, column], error.isel(lead_time=row), "Reds", 0.0, most)
            axes[row, column].set_title(f"|truth - {name}|", fontsize=8)
    units = str(window["units"].item())
    unit = "" if units == "1" else f" [{units}]"
    for mesh, group, label in (
        (shown, axes[:, : len(fields)], f"{channel}{unit}"),
        (wrong, axes[:, len(fields) :], f"absolute error{unit}"),
    ):
        bar = figure.colorbar(mesh, ax=group, location="bottom", shrink=0.7, aspect=40)
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    init = np.datetime_as_string(window["init_time"].values, unit="h")
    figure.suptitle(channel if is_image else f"{channel}, initialized {init}", fontsize=10)
    if is_image:
        for panel in axes.flat:
            panel.set_xticks([])
            panel.set_yticks([])
    return figure


def _when(lead: int, is_image: bool) -> str:
    return f"frame {int(lead)}" if is_image else f"+{int(lead)} h"


def _draw(
    panel: Axes,
    field: xr.DataArray,
    cmap: str,
    low: float,
    high: float,
    *,
    is_image: bool,
    coast: Coastlines,
) -> ScalarMappable:
    """Draw one field as cells."""
    mesh = draw_cells(panel, field, is_image=is_image, coast=coast, cmap=cmap, vmin=low, vmax=high)
    panel.tick_params(labelsize=6)
    panel.locator_params(nbins=4)
    return mesh
