"""Maps of a forecast: where it starts, where it goes, what changes; cyclones on top."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from met2net.analysis.cyclones import Track
from pipelines.figures.cells import draw_cells, map_aspect
from pipelines.maps.coastlines import Coastlines

__all__ = ["forecast_figures", "lead_time_maps"]

_COLUMNS = 4  # the init time and three lead times
_COAST = Coastlines()
_TRACKED = "mean_sea_level_pressure"


def forecast_figures(
    analysis: xr.Dataset, forecast: xr.Dataset, *, tracks: Sequence[Track]
) -> Iterator[tuple[str, Figure]]:
    """Draw maps of every field of a forecast.

    Args:
        analysis: the fields at the init time, `name(time[, level], latitude, longitude)`.
        forecast: of one init time, as `met2net.forecast.Forecaster` gives it.
        tracks: cyclones, drawn on the pressure.

    Yields:
        Names for files, and figures.
    """
    one = forecast.isel(init_time=0)
    for name, array in one.data_vars.items():
        levels = array["level"].values.tolist() if "level" in array.dims else [None]
        for level in levels:
            field = array if level is None else array.sel(level=level)
            key = str(name) if level is None else f"{name}_{level}"
            start = _start(analysis, str(name), field, one["init_time"].values)
            yield (
                f"map_{key}",
                lead_time_maps(
                    start, field, title=str(forecast.attrs.get("title", "")),
                    tracks=tracks if name == _TRACKED else (),
                ),
            )  # fmt: skip


def lead_time_maps(
    start: xr.DataArray | None, field: xr.DataArray, *, title: str, tracks: Sequence[Track] = ()
) -> Figure:
    """Draw one field at the init time and some lead times, and its change since the init time.

    All fields share one colour scale; the changes share another, whose colours diverge around
    0. Without a field at the init time there are no changes.

    Args:
        start: `latitude, longitude`, at the init time.
        field: `lead_time, latitude, longitude`, with units.
        title: above the maps.
        tracks: of cyclones, drawn from the init time to each panel's time.
    """
    wanted = _COLUMNS - (start is not None)
    leads = np.unique(np.linspace(0, field.sizes["lead_time"] - 1, wanted).round().astype(int))
    shown = [field.isel(lead_time=int(n)) for n in leads]
    hours = [int(f["lead_time"].values / np.timedelta64(1, "h")) for f in shown]
    titles = [f"+{hour} h" for hour in hours]
    fields, changes = shown, []
    if start is not None:
        fields, titles = [start, *shown], ["init time", *titles]
        changes = [one - start.values for one in shown]
    aspect = map_aspect(field)
    width = float(np.clip(2.6 / aspect, 2.0, 4.0))
    rows = 2 if changes else 1
    height = rows * (0.84 * width * aspect + 0.35) + 0.9  # the colour bars take some width
    figure = Figure(figsize=(len(fields) * width + 0.9, height), layout="constrained")
    axes = figure.subplots(rows, len(fields), squeeze=False, sharex=True, sharey=True)
    low, high = min(float(f.min()) for f in fields), max(float(f.max()) for f in fields)
    for panel, one, text in zip(axes[0], fields, titles, strict=True):
        mesh = _draw(panel, one, cmap="viridis", vmin=low, vmax=high)
        panel.set_title(text, fontsize=9)
    until: list[xr.DataArray | None] = [None, *shown] if start is not None else [*shown]
    for panel, shown_at in zip(axes[0], until, strict=True):
        if shown_at is not None:
            _draw_tracks(panel, tracks, until=shown_at["valid_time"].values, field=field)
    units = str(field.attrs.get("units", "1"))
    label = str(field.attrs.get("long_name", field.name))
    if "level" in field.coords and field["level"].ndim == 0:
        label += f", {field['level'].item()} hPa"
    unit = "" if units == "1" else f" [{units}]"
    _bar(figure, mesh, axes[0], label + unit)
    if changes:
        axes[1][0].set_axis_off()
        axes[0][0].tick_params(labelbottom=True)
        axes[1][1].tick_params(labelleft=True)
        limit = max(float(np.abs(one).max()) for one in changes) or 1.0
        for panel, one in zip(axes[1][1:], changes, strict=True):
            mesh = _draw(panel, one, cmap="RdBu_r", vmin=-limit, vmax=limit)
        _bar(figure, mesh, axes[1][1:], f"change since the init time{unit}")
    for panel in axes[-1][rows - 1 :]:
        panel.set_xlabel("longitude [°E]", fontsize=8)
    axes[0][0].set_ylabel("latitude [°N]", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def _start(
    analysis: xr.Dataset, name: str, field: xr.DataArray, time: np.ndarray
) -> xr.DataArray | None:
    """Give a field at the init time; None where the analysis does not have it by this name."""
    if name not in analysis:
        return None
    chosen = analysis[name].sel(time=time)
    if "level" in chosen.dims:
        if "level" not in field.coords or field["level"].ndim:
            return None
        if field["level"].item() not in chosen["level"].values:  # a level that is not seen
            return None
        chosen = chosen.sel(level=field["level"].item())
    return chosen.transpose("latitude", "longitude")


def _bar(figure: Figure, mesh: QuadMesh, axes: np.ndarray, label: str) -> None:
    bar = figure.colorbar(mesh, ax=axes, location="right", shrink=0.9, aspect=25, pad=0.01)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _draw(panel: Axes, field: xr.DataArray, **style: object) -> QuadMesh:
    """Draw one field as cells."""
    mesh = draw_cells(panel, field, is_image=False, coast=_COAST, **style)
    panel.tick_params(labelsize=7)
    panel.locator_params(nbins=5)
    return mesh


def _draw_tracks(
    panel: Axes, tracks: Sequence[Track], *, until: np.ndarray, field: xr.DataArray
) -> None:
    """Draw tracks up to a time, the last position as a dot; a seam breaks a line."""
    first = float(field["longitude"].values[0])
    for one in tracks:
        known = one.time <= until
        if not known.any():
            continue
        east = one.longitude[known]
        east = first - 1e-6 + (east - first + 1e-6) % 360.0
        jump = np.abs(np.diff(east, prepend=east[:1])) > 180
        panel.plot(np.where(jump, np.nan, east), one.latitude[known], color="#D55E00",
                   linewidth=1.3)  # fmt: skip
        panel.plot(east[-1], one.latitude[known][-1], "o", color="#D55E00", markersize=3.5,
                   markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip
