"""Figures of tropical cyclones: tracks on a map, errors by lead time."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from met2net.analysis.cyclones import Track
from met2net.analysis.great_circle import longitude_difference
from pipelines.figures.coasts import draw_coast
from pipelines.figures.style import color_of, line_of, panels
from pipelines.maps.coastlines import Coastlines
from pipelines.storms.forecast_errors import fixed_lead_track

__all__ = ["intensity_curves", "track_errors_by_lead", "track_map", "tracks_of"]

_BEST, _ANALYSIS = "best track", "analysis"
_TRUTHS = {_BEST: ("#000000", "-"), _ANALYSIS: ("#999999", "-")}
_WIDTHS = {_BEST: 3.4, _ANALYSIS: 1.5}  # the analysis lies inside the best track where they agree
_MARGIN = 0.09  # of the larger side of a map, at each side
_COAST = Coastlines()
_LABEL_ROOM = 0.05  # between two days' names, of a map's height


def tracks_of(tracks: xr.Dataset, *, lead_time: float) -> dict[str, Track]:
    """Give best track, analysis and every model's forecasts at one lead time [hours].

    The best track is cut to the time in which the analysis has the storm.

    Args:
        tracks: as `pipelines.storms.tracks.track_storm` writes them.
        lead_time: one of theirs.
    """
    best = _truth(tracks, prefix="best_", dim="best_time")
    analysis = _truth(tracks, prefix="analysis_", dim="time")
    inside = best.time[(best.time >= analysis.time[0]) & (best.time <= analysis.time[-1])]
    models = [str(name) for name in tracks["model"].values] if "model" in tracks.dims else []
    forecasts = {
        name: fixed_lead_track(tracks.sel(model=name), lead_time=lead_time) for name in models
    }
    return {_BEST: best.at(inside), _ANALYSIS: analysis, **forecasts}


def track_map(
    tracks: Mapping[str, Track],
    *,
    title: str,
    order: Sequence[str] | None = None,
    coast: Coastlines = _COAST,
) -> Figure:
    """Draw tracks on a map, with a dot at 00 UTC of every day.

    A map across the antimeridian or Greenwich goes on without a seam. Source: Li et al. 2025,
    arXiv:2507.17189, figures 6 and 9.

    Args:
        tracks: name -> track; "best track" and "analysis" are drawn as truths, the first track
            has its days written beside it.
        title: above the map.
        order: models in the order that sets their colours; that of the tracks by default.
        coast: coastlines below the tracks.
    """
    models = list(order or [name for name in tracks if name not in _TRUTHS])
    drawn = {name: one for name, one in tracks.items() if len(one)}
    if not drawn:
        raise ValueError("found no track with a position; expected at least one")
    origin = next(iter(drawn.values())).longitude[0]
    # Around one origin, longitudes of all tracks run on.
    east = {n: origin + longitude_difference(t.longitude, origin) for n, t in drawn.items()}
    box = _box(np.concatenate(list(east.values())),
               np.concatenate([t.latitude for t in drawn.values()]))  # fmt: skip
    shortening = max(float(np.cos(np.deg2rad((box[2] + box[3]) / 2))), 0.2)
    aspect = (box[3] - box[2]) / ((box[1] - box[0]) * shortening)
    width = float(np.clip(6.0 / aspect, 3.6, 7.5))
    figure = Figure(figsize=(width + 0.8, width * aspect + 1.2), layout="constrained")
    panel = figure.add_subplot()
    _frame(panel, box, shortening=shortening)
    draw_coast(panel, coast)
    for number, (name, one) in enumerate(drawn.items()):
        color, line = _TRUTHS.get(name) or (color_of(name, models), line_of(name, models))
        is_truth = name in _TRUTHS
        panel.plot(
            east[name], one.latitude, color=color, linestyle=line,
            linewidth=_WIDTHS.get(name, 1.4), label=name, zorder=2 if is_truth else 3,
            solid_capstyle="round",
        )  # fmt: skip
        midnight = _is_midnight(one.time)
        panel.plot(
            east[name][midnight], one.latitude[midnight], "o", color=color, markersize=4.5,
            markeredgecolor="white", markeredgewidth=0.6, zorder=4,
        )  # fmt: skip
        if number == 0:
            _write_days(panel, east[name], one)
    panel.legend(loc="best", fontsize=8.5, frameon=True, framealpha=0.9, edgecolor="none")
    panel.set_title(title, fontsize=10, loc="left")
    return figure


def track_errors_by_lead(tracks: xr.Dataset, *, order: Sequence[str] | None = None) -> Figure:
    """Draw mean errors of position, pressure and wind by lead time, against the analysis.

    Means run over the cases in which all models found the storm; the number of cases stands
    below the lead times.
    """
    models = [str(name) for name in tracks["model"].values]
    lead = tracks["lead_time"].values
    figure, axes = panels(3, columns=3, width=3.6, height=3.0)
    for panel, (name, label, scale) in zip(
        axes,
        (
            ("position", "position error [km]", 1.0),
            ("pressure", "pressure, forecast - analysis [hPa]", 0.01),
            ("wind", "wind, forecast - analysis [m s$^{-1}$]", 1.0),
        ),
        strict=True,
    ):
        for model in models:
            panel.plot(
                lead, scale * tracks[f"mean_{name}_error"].sel(model=model),
                color=color_of(model, order or models), linestyle=line_of(model, order or models),
                marker="o", markersize=3.5, label=model,
            )  # fmt: skip
        if name == "position":
            panel.set_ylim(bottom=0)
        else:
            panel.axhline(0, color="#999999", linewidth=0.8, zorder=0)
        panel.set_xlabel("lead time [h]", fontsize=9)
        panel.set_title(label, fontsize=9, loc="left")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center",
        ncols=min(4, len(models)), fontsize=8.5, frameon=False,
    )  # fmt: skip
    count = tracks["count"].values
    figure.supxlabel(f"{tracks.attrs['storm']}; cases: {_span(count)}", fontsize=8, color="#444444")
    return figure


def intensity_curves(
    tracks: Mapping[str, Track], *, title: str, order: Sequence[str] | None = None
) -> Figure:
    """Draw pressure at the centre and strongest wind over time."""
    models = list(order or [name for name in tracks if name not in _TRUTHS])
    figure, axes = panels(2, columns=1, width=6.4, height=2.4)
    for name, one in tracks.items():
        color, line = _TRUTHS.get(name) or (color_of(name, models), line_of(name, models))
        for panel, values in zip(axes, (one.pressure / 100, one.wind), strict=True):
            known = np.isfinite(values)
            panel.plot(one.time[known], values[known], color=color, linestyle=line, label=name)
    axes[0].set_title(f"{title}: pressure at the centre [hPa]", fontsize=9, loc="left")
    axes[1].set_title("strongest 10 m wind [m s$^{-1}$]", fontsize=9, loc="left")
    for panel in axes:
        locator = panel.xaxis.get_major_locator()
        panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center",
        ncols=min(4, len(tracks)), fontsize=8.5, frameon=False,
    )  # fmt: skip
    return figure


def _truth(tracks: xr.Dataset, *, prefix: str, dim: str) -> Track:
    """Read one truth back from the dataset."""
    names = ("latitude", "longitude", "pressure", "wind")
    part = tracks[[f"{prefix}{name}" for name in names]].dropna(dim, subset=[f"{prefix}latitude"])
    values = [part[f"{prefix}{name}"].values.astype(np.float64) for name in names]
    latitude, longitude, pressure, wind = values
    return Track(part[dim].values, latitude, longitude, pressure, wind, ended="")


def _box(east: np.ndarray, latitude: np.ndarray) -> tuple[float, float, float, float]:
    """Give the map's west, east, south and north, with a margin, never very flat or narrow."""
    side = max(float(np.ptp(east)), float(np.ptp(latitude)), 2.0)
    box = []
    for values in (east, latitude):
        middle = float(values.min() + values.max()) / 2
        half = max(float(np.ptp(values)), side / 2) / 2 + _MARGIN * side
        box += [middle - half, middle + half]
    return box[0], box[1], max(box[2], -90.0), min(box[3], 90.0)


def _frame(panel: Axes, box: tuple[float, float, float, float], *, shortening: float) -> None:
    """Set limits and the proportions of the middle latitude; write degrees with their side."""
    panel.set_xlim(box[:2])
    panel.set_ylim(box[2:])
    panel.set_aspect(1 / shortening)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.locator_params(nbins=6)
    panel.tick_params(labelsize=8, length=0)
    panel.spines[:].set_color("#bbbbbb")
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _longitude_label(x)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _latitude_label(y)))


def _longitude_label(degrees: float) -> str:
    east = float(longitude_difference(degrees, 0.0))
    side = "" if east in (0.0, -180.0) else ("°E" if east > 0 else "°W")
    return f"{abs(east):g}{side or '°'}"


def _latitude_label(degrees: float) -> str:
    return f"{abs(degrees):g}°" + ("N" if degrees > 0 else "S" if degrees < 0 else "")


def _write_days(panel: Axes, x: np.ndarray, track: Track) -> None:
    """Write the day at each midnight on the emptier side, unless another day stands there."""
    low, high = panel.get_ylim()
    least = _LABEL_ROOM * (high - low)
    if len(x) < 2:  # no way yet
        return
    ahead = np.stack([np.gradient(x), np.gradient(track.latitude)])
    length = np.maximum(np.hypot(*ahead), 1e-9)
    right = np.stack([ahead[1], -ahead[0]]) / length
    written: list[tuple[float, float]] = []
    for number in np.flatnonzero(_is_midnight(track.time)):
        place = (float(x[number]), float(track.latitude[number]))
        if any(np.hypot(place[0] - a, place[1] - b) < least for a, b in written):
            continue
        # The side on which the rest of the way is farther off.
        sides = [1.5 * least * sign * right[:, number] for sign in (1, -1)]
        room = [np.hypot(x - place[0] - a, track.latitude - place[1] - b).min() for a, b in sides]
        east, north = right[:, number] * (1 if room[0] >= 0.6 * room[1] else -1)
        day = track.time[number].astype("datetime64[D]").item()
        panel.annotate(
            f"{day.day} {day:%b}", place, xytext=(7 * east, 7 * north),
            textcoords="offset points", fontsize=7, color="#333333", zorder=5,
            ha="left" if east > 0.4 else "right" if east < -0.4 else "center",
            va="bottom" if north > 0.4 else "top" if north < -0.4 else "center",
        )  # fmt: skip
        written.append(place)


def _is_midnight(time: np.ndarray) -> np.ndarray:
    return np.asarray((time - time.astype("datetime64[D]")) == np.timedelta64(0))


def _span(count: np.ndarray) -> str:
    low, high = int(count.min()), int(count.max())
    return str(low) if low == high else f"{low} to {high}, fewer at longer lead times"
