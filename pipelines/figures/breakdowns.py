"""Figures of skill, of scores by region, season and hour of day, and of power spectra."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipelines.evaluation.lead_times import lead_axis, lead_name
from pipelines.figures.line_labels import label_line_ends
from pipelines.figures.scores import curve_panels, draw_lines
from pipelines.figures.style import color_of, line_of, panels

__all__ = ["group_dots", "hourly_curves", "skill_curves", "spectra"]


def skill_curves(scores: xr.Dataset, *, reference: str) -> Figure:
    """Draw 1 - MSE / MSE of a reference against lead time: a panel a channel, a line a model."""
    models = [str(name) for name in scores["model"].values]
    skill = scores["mse_skill"].sel(reference=reference, weighting="area")
    skill = skill.where(skill["model"] != reference)  # 0 by definition
    figure, axes = curve_panels(scores.sizes["channel"], models)
    for panel, channel in zip(axes, scores["channel"].values, strict=True):
        values = skill.sel(channel=channel)
        draw_lines(panel, values, models=models)
        lowest = float(values.isel(lead_time=slice(1, None)).min())
        # One bad model would flatten all others: what lies below is cut off.
        panel.set_ylim(max(-1.0, min(-0.05, 1.1 * lowest if lowest < 0 else -0.05)), 1.0)
        panel.axhline(0, color="#888888", linewidth=0.8, zorder=0, label="_zero")
        panel.set_title(str(channel), fontsize=10, loc="left", fontweight="bold")
        panel.set_xlabel(lead_axis(scores), fontsize=9)
        panel.set_ylabel("skill", fontsize=9)
        label_line_ends(panel)
    figure.suptitle(f"Skill against {reference}: 1 - MSE / MSE of {reference}", fontsize=11)
    return figure


def hourly_curves(scores: xr.Dataset) -> Figure:
    """Draw RMSE against the hour of day of the init time: a panel a channel, a line a model."""
    models = [str(name) for name in scores["model"].values]
    mse = scores["hourly"].sel(metric="mse", weighting="area").mean("lead_time", skipna=False)
    rmse: xr.DataArray = xr.ufuncs.sqrt(mse)
    rmse = rmse.isel(init_hour=rmse.notnull().any(("model", "channel")).values)
    figure, axes = curve_panels(scores.sizes["channel"], models)
    for panel, channel in zip(axes, scores["channel"].values, strict=True):
        draw_lines(panel, rmse.sel(channel=channel), models)
        units = str(scores["units"].sel(channel=channel).item())
        panel.set_title(str(channel), fontsize=10, loc="left", fontweight="bold")
        panel.set_ylabel("RMSE" + ("" if units == "1" else f" [{units}]"), fontsize=9)
        panel.set_xlabel("init time, hour of day (UTC)", fontsize=9)
        panel.set_ylim(bottom=0)
        label_line_ends(panel)
    figure.suptitle("RMSE by hour of day, all lead times, weighted by area", fontsize=11)
    return figure


def group_dots(scores: xr.Dataset, *, group: str) -> Figure:
    """Draw RMSE by `region` or `season` with 95 % intervals: a panel a channel, a dot a model."""
    models = [str(name) for name in scores["model"].values]
    rmse = scores[f"{group}_rmse"].sel(weighting="area")
    rmse = rmse.isel({group: rmse.notnull().any(("model", "channel")).values})
    labels = [str(label) for label in rmse[group].values]
    width = max(3.6, 0.5 + len(labels) * (0.35 + 0.09 * len(models)))
    figure, axes = panels(scores.sizes["channel"], columns=2, width=width, height=2.5)
    for panel, channel in zip(axes, scores["channel"].values, strict=True):
        for place, model in enumerate(models):
            where = {"model": model, "channel": channel, group: labels}
            x = np.arange(len(labels)) + 0.8 * ((place + 0.5) / len(models) - 0.5)
            low, high = (
                scores[f"{group}_rmse_{end}"].sel(where, drop=True).sel(weighting="area").values
                for end in ("low", "high")
            )
            color = color_of(model, models)
            panel.vlines(x, low, high, color=color, linewidth=1.2)
            panel.plot(x, rmse.sel(where).values, marker=_marker(model, models), color=color,
                       linestyle="", markersize=3.8)  # fmt: skip
        panel.set_xticks(range(len(labels)), labels, fontsize=8.5)
        panel.grid(axis="y", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.set_ylim(bottom=0)
        units = str(scores["units"].sel(channel=channel).item())
        panel.set_title(str(channel), fontsize=10, loc="left", fontweight="bold")
        panel.set_ylabel("RMSE" + ("" if units == "1" else f" [{units}]"), fontsize=9)
    figure.legend(
        handles=[
            Line2D([], [], color=color_of(m, models), marker=_marker(m, models), linestyle="",
                   label=m)
            for m in models
        ],
        loc="outside lower center",
        ncols=min(4, len(models)),
        fontsize=8.5,
        frameon=False,
    )  # fmt: skip
    figure.suptitle(f"RMSE by {group}, all lead times, weighted by area", fontsize=11)
    return figure


def _marker(model: str, models: list[str]) -> str:
    """Choose a marker by the line's style, so that colours that come again are told apart."""
    styles = list(dict.fromkeys(str(line_of(name, models)) for name in models))
    return "osD^vP*X"[styles.index(str(line_of(model, models))) % 8]


def spectra(scores: xr.Dataset) -> Figure:
    """Draw zonal power by wavenumber at the last lead time; the observations' in black.

    Forecasts whose line lies below it at large wavenumbers are too smooth. Channels that lack
    values in places have no spectrum; one with a spectrum is needed.
    """
    models = [str(name) for name in scores["model"].values]
    last = {"lead_time": scores["lead_time"].values[-1]}
    power, observed = scores["power"].sel(last), scores["observed_power"].sel(last)
    waves = scores["wavenumber"].values[1:]
    channels = observed["channel"].values[
        np.isfinite(observed.values).all(observed.get_axis_num("wavenumber"))
    ]
    figure, axes = panels(len(channels), columns=2, width=4.4, height=2.7)
    for panel, channel in zip(axes, channels, strict=True):
        panel.plot(
            waves, observed.sel(channel=channel).values[1:], color="#000000", linewidth=2.6,
            alpha=0.55, label="observed", marker="o" if len(waves) <= 12 else None, markersize=4,
        )  # fmt: skip
        for model in models:
            panel.plot(
                waves, power.sel(channel=channel, model=model).values[1:], linewidth=1.3,
                color=color_of(model, models), linestyle=line_of(model, models), label=model,
            )  # fmt: skip
        panel.set_yscale("log")
        if len(waves) > 8:
            panel.set_xscale("log")
        else:
            panel.set_xticks(waves)
        panel.grid(which="major", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
        units = str(scores["units"].sel(channel=channel).item())
        panel.set_title(str(channel), fontsize=10, loc="left", fontweight="bold")
        panel.set_ylabel("power" + ("" if units == "1" else f" [({units})$^2$]"), fontsize=9)
        panel.set_xlabel("zonal wavenumber", fontsize=9)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center",
        ncols=min(4, len(models) + 1), fontsize=8.5, frameon=False,
    )  # fmt: skip
    figure.suptitle(f"Power spectra, {lead_name(scores, last['lead_time'])}", fontsize=11)
    return figure
