"""Maps of one worked window: truth, forecast, error."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from met2net.grid import cell_edges

__all__ = ["forecast_maps"]

_WRITE_VALUES_UP_TO = 40  # grid points; above, numbers in cells would not be readable


def forecast_maps(example: xr.Dataset, *, channel: str, model: str, number: int = 0) -> Figure:
    """Draw truth, forecast and error of one channel at the first and last lead time.

    Truth and forecast share one colour scale over both lead times, and so do the errors,
    whose colours diverge around 0.
    """
    window = example.isel(example=number).sel(channel=channel)
    units = str(window["units"].item())
    leads = list(dict.fromkeys([0, example.sizes["lead_time"] - 1]))
    truth = window["targets"].isel(lead_time=leads)
    forecast = window["predictions"].sel(model=model).isel(lead_time=leads)
    error = forecast - truth
    low = float(min(truth.min(), forecast.min()))
    high = float(max(truth.max(), forecast.max()))
    limit = float(np.abs(error).max()) or 1.0
    aspect = _aspect(window["latitude"].values, window["longitude"].values)
    height = np.clip(3.3 * aspect, 1.5, 4.0)
    # Narrow boxes get narrower figures, so that no white space stands between the maps.
    width = np.clip(height / aspect, 2.3, 3.5)
    figure = Figure(
        figsize=(3 * width + 0.9, len(leads) * (height + 0.35) + 1.3), layout="constrained"
    )
    figure.get_layout_engine().set(h_pad=0.07)
    axes = figure.subplots(len(leads), 3, squeeze=False, sharex=True, sharey=True)
    for row, lead in enumerate(truth["lead_time"].values):
        for column, (title, field, style) in enumerate(
            (
                ("truth", truth, {"cmap": "viridis", "vmin": low, "vmax": high}),
                ("forecast", forecast, {"cmap": "viridis", "vmin": low, "vmax": high}),
                ("error", error, {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}),
            )
        ):
            panel = axes[row, column]
            mesh = _draw_field(panel, field.isel(lead_time=row), **style)
            panel.set_title(f"{title}, +{int(lead)} h", fontsize=9)
            if row == len(leads) - 1:
                panel.set_xlabel("longitude [°E]", fontsize=8)
            if column == 0:
                panel.set_ylabel("latitude [°N]", fontsize=8)
            if row == 0 and column in (1, 2):
                group = axes[:, :2] if column == 1 else axes[:, 2:]
                label = "error (forecast - truth)" if column == 2 else channel
                bar = figure.colorbar(
                    mesh, ax=group, location="bottom", shrink=0.8, aspect=40 if column == 1 else 20
                )
                bar.set_label(label + ("" if units == "1" else f" [{units}]"), fontsize=9)
                bar.ax.tick_params(labelsize=8)
                bar.ax.locator_params(nbins=6 if column == 1 else 4)
    init = np.datetime_as_string(window["init_time"].values, unit="h")
    figure.suptitle(f"{model}: {channel}, initialized {init} UTC", fontsize=10)
    return figure


def _aspect(latitude: np.ndarray, longitude: np.ndarray) -> float:
    """Give a map's height over width, a degree of longitude shortened at its mean latitude."""
    tall = abs(cell_edges(latitude)[-1] - cell_edges(latitude)[0])
    wide = cell_edges(longitude)[-1] - cell_edges(longitude)[0]
    return float(tall / wide / _shortening(latitude))


def _shortening(latitude: np.ndarray) -> float:
    return max(float(np.cos(np.deg2rad(latitude.mean()))), 0.2)


def _draw_field(panel: Axes, field: xr.DataArray, **style: object) -> QuadMesh:
    """Draw one field as cells; write the values into them where the grid is small."""
    latitude, longitude = field["latitude"].values, field["longitude"].values
    values = field.transpose("latitude", "longitude").values
    mesh = panel.pcolormesh(
        cell_edges(longitude), cell_edges(latitude), values, rasterized=True, **style
    )
    panel.set_aspect(1 / _shortening(latitude))
    panel.tick_params(labelsize=7)
    panel.locator_params(nbins=5)
    if values.size <= _WRITE_VALUES_UP_TO:
        for y, row in zip(latitude, values, strict=True):
            for x, value in zip(longitude, row, strict=True):
                panel.text(
                    x, y, _short(value), fontsize=6, ha="center", va="center",
                    color=_contrasting(mesh, value),
                )  # fmt: skip
    return mesh


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _contrasting(mesh: QuadMesh, value: float) -> str:
    """Choose black or white by the luminance of a cell's colour (Rec. 709 weights)."""
    red, green, blue, _ = mesh.to_rgba(value)
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45 else "white"
