"""Maps of one worked window: truth, forecast, error."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from pipelines.evaluation.lead_times import has_images, lead_name
from pipelines.figures.cells import draw_cells, map_aspect
from pipelines.maps.coastlines import Coastlines
from pipelines.maps.settings import MapSettings

__all__ = ["forecast_maps"]

_WRITE_VALUES_UP_TO = 40  # grid points; above, numbers in cells would not be readable
_DEFAULT = MapSettings()


def forecast_maps(
    example: xr.Dataset,
    *,
    channel: str,
    model: str,
    settings: MapSettings = _DEFAULT,
) -> Figure:
    """Draw truth, forecast and error of one channel, a row a lead time.

    Truth and forecast share one colour scale over all lead times, and so do the errors,
    whose colours diverge around 0.

    Args:
        example: as `pipelines.evaluation.evaluate.write_examples` writes it.
        channel: what is drawn.
        model: whose forecast.
        settings: which lead times, which coastlines.

    Raises:
        ValueError: if the window lacks a lead time.
    """
    window = example.isel(example=0).sel(channel=channel)
    is_image = has_images(example)
    leads = settings.shown(example["lead_time"].values.tolist())
    truth = window["targets"].isel(lead_time=leads)
    forecast = window["predictions"].sel(model=model).isel(lead_time=leads)
    error = forecast - truth
    low = float(min(truth.min(), forecast.min()))
    high = float(max(truth.max(), forecast.max()))
    limit = float(np.abs(error).max()) or 1.0
    figure, axes = _layout(map_aspect(example), rows=len(leads))
    for row, lead in enumerate(truth["lead_time"].values):
        for panel, title, field, style in zip(
            axes[row],
            ("truth", "forecast", "error"),
            (truth, forecast, error),
            (
                {"cmap": "viridis", "vmin": low, "vmax": high},
                {"cmap": "viridis", "vmin": low, "vmax": high},
                {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit},
            ),
            strict=True,
        ):
            mesh = _draw_field(
                panel, field.isel(lead_time=row), is_image=is_image, coast=settings.coast, **style
            )
            panel.set_title(f"{title}, {lead_name(example, lead)}", fontsize=9)
            if row == 0 and title != "truth":
                _color_bar(figure, mesh, axes, title=title, window=window, channel=channel)
        axes[row, 0].set_ylabel("row" if is_image else "latitude [°N]", fontsize=8)
    for panel in axes[-1]:
        panel.set_xlabel("column" if is_image else "longitude [°E]", fontsize=8)
    init = np.datetime_as_string(window["init_time"].values, unit="h")
    when = "" if is_image else f", initialized {init} UTC"
    figure.suptitle(f"{model}: {channel}{when}", fontsize=10)
    return figure


def _layout(aspect: float, *, rows: int) -> tuple[Figure, np.ndarray]:
    """Lay out rows of three maps of the given height over width."""
    height = np.clip(3.3 * aspect, 1.5, 4.0 if rows < 3 else 3.2)
    # Narrow boxes get narrower figures, so that no white space stands between the maps.
    width = np.clip(height / aspect, 2.3, 3.5)
    figure = Figure(figsize=(3 * width + 0.9, rows * (height + 0.35) + 1.3), layout="constrained")
    figure.set_layout_engine("constrained", h_pad=0.07)
    return figure, figure.subplots(rows, 3, squeeze=False, sharex=True, sharey=True)


def _color_bar(
    figure: Figure,
    mesh: QuadMesh,
    axes: np.ndarray,
    *,
    title: str,
    window: xr.Dataset,
    channel: str,
) -> None:
    """Draw the bar of truths and forecasts, or that of errors, below their columns."""
    units = str(window["units"].item())
    is_error = title == "error"
    group = axes[:, 2:] if is_error else axes[:, :2]
    bar = figure.colorbar(
        mesh, ax=group, location="bottom", shrink=0.8, aspect=20 if is_error else 40
    )
    label = "error (forecast - truth)" if is_error else channel
    bar.set_label(label + ("" if units == "1" else f" [{units}]"), fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.ax.locator_params(nbins=4 if is_error else 6)


def _draw_field(
    panel: Axes, field: xr.DataArray, *, is_image: bool, coast: Coastlines, **style: object
) -> QuadMesh:
    """Draw one field as cells; write the values into them where the grid is small."""
    mesh = draw_cells(panel, field, is_image=is_image, coast=coast, **style)
    panel.tick_params(labelsize=7)
    panel.locator_params(nbins=5)
    values = field.transpose("latitude", "longitude").values
    if values.size <= _WRITE_VALUES_UP_TO and not is_image:
        for y, row in zip(field["latitude"].values, values, strict=True):
            for x, value in zip(field["longitude"].values, row, strict=True):
                if not np.isfinite(value):  # a point without a value stays blank
                    continue
                color, behind = _contrasting(mesh, value)
                text = panel.text(
                    x, y, _short(value), fontsize=6, ha="center", va="center", color=color
                )
                # A coastline may run below the number.
                text.set_path_effects([withStroke(linewidth=1.6, foreground=behind)])
    return mesh


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _contrasting(mesh: QuadMesh, value: float) -> tuple[str, tuple[float, ...]]:
    """Choose black or white by the luminance of a cell's colour (Rec. 709 weights); give both."""
    red, green, blue, alpha = mesh.to_rgba(np.array([value]))[0].tolist()
    cell = (red, green, blue, alpha)
    is_bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45
    return ("black" if is_bright else "white"), cell
