"""All figures of one run folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from pipelines.evaluation.lead_times import has_images
from pipelines.evaluation.summary import networks_of, open_scores, verdict
from pipelines.figures.analysis import (
    attention_change_maps,
    attention_heat_maps,
    cka_curves,
    cka_heat_maps,
    cka_layer_maps,
    models_with,
)
from pipelines.figures.breakdowns import group_dots, hourly_curves, skill_curves, spectra
from pipelines.figures.cyclones import (
    intensity_curves,
    track_errors_by_lead,
    track_map,
    tracks_of,
)
from pipelines.figures.distributions import resources_and_skill, value_distributions
from pipelines.figures.maps import forecast_maps
from pipelines.figures.scores import lead_time_curves, scoreboard
from pipelines.figures.style import save
from pipelines.figures.training import training_curves
from pipelines.maps.coastlines import Coastlines
from pipelines.maps.settings import MapSettings
from pipelines.run_folder import RunFolder
from pipelines.training.costs_file import read_costs
from pipelines.training.curves import read_curves

__all__ = ["draw_run"]

_MAPS = MapSettings()


def draw_run(
    run_folder: Path, *, network: str | None = None, maps: MapSettings = _MAPS
) -> list[Path]:
    """Draw every figure that the files of a run allow into `run_folder/figures`.

    Scores are required; worked window, analyses, storms and training curves are drawn where
    their files exist. Maps are drawn for `network`, by default the best one.

    Those of an earlier drawing that has others are removed.

    Raises:
        ValueError: if the worked window lacks a lead time of `maps`.
    """
    run = RunFolder(run_folder)
    drawn = [
        save(figure, run.figures / f"{name}.png") for name, figure in _figures(run, network, maps)
    ]
    for path in run.figures.glob("*.png"):
        if path not in drawn:  # of results that are no longer there
            path.unlink()
    return drawn


def _figures(
    run: RunFolder, network: str | None, maps: MapSettings
) -> Iterator[tuple[str, Figure]]:
    scores = open_scores(run.scores)
    yield "scoreboard", scoreboard(scores)
    for metric in ("rmse", "acc", "pcc"):
        if metric in scores["metric"].values:
            yield f"lead_time_{metric}", lead_time_curves(scores, metric=metric)
    yield from _breakdown_figures(scores)
    if run.examples.exists():
        shown = verdict(scores, network=network).network
        with xr.open_dataset(run.examples, decode_timedelta=False) as example:
            for channel in map(str, example["channel"].values):
                yield (
                    f"map_{channel}",
                    forecast_maps(example, channel=channel, model=shown, settings=maps),
                )
    if run.analysis.exists():
        with xr.open_dataset(run.analysis) as analysis:
            costs = read_costs(run.path)
            yield from _analysis_figures(analysis, scores=scores, costs=costs)
    for path in run.tracks:
        with xr.open_dataset(path, decode_timedelta=False) as tracks:
            yield from _storm_figures(tracks.load(), order=networks_of(scores), coast=maps.coast)
    curves = {
        name: read_curves(run.curves(name))
        for name in networks_of(scores)
        if run.curves(name).exists()
    }
    if curves:
        yield "training", training_curves(curves, order=networks_of(scores))


def _breakdown_figures(scores: xr.Dataset) -> Iterator[tuple[str, Figure]]:
    """Draw what newer scores have beside the scores by lead time."""
    if "mse_skill" in scores:
        for reference in map(str, scores["reference"].values):
            yield f"skill_{reference}", skill_curves(scores, reference=reference)
    if "region_rmse" in scores and scores.sizes["region"] > 1:
        yield "group_region", group_dots(scores, group="region")
    is_weather = not has_images(scores)  # sequences have neither seasons nor hours of day
    if "season_rmse" in scores and is_weather:
        yield "group_season", group_dots(scores, group="season")
    if "hourly" in scores and is_weather:
        yield "group_hour", hourly_curves(scores)
    if "power" in scores and np.isfinite(scores["observed_power"]).any():
        yield "spectra", spectra(scores)


def _analysis_figures(
    analysis: xr.Dataset, *, scores: xr.Dataset, costs: xr.Dataset | None
) -> Iterator[tuple[str, Figure]]:
    networks = networks_of(scores)
    if "value_density" in analysis:
        yield "distributions", value_distributions(analysis)
    if "parameters" in analysis:
        yield "resources", resources_and_skill(analysis, scores, costs=costs)
    if analysis.sizes["variable"] > 1:  # else nothing to compare, nothing else to attend to
        models = models_with(analysis, "cka")
        if models:
            yield "cka_by_layer", cka_curves(analysis, order=networks)
            for model in models:
                yield f"cka_matrix_{model}", cka_heat_maps(analysis, model=model)
        for model in models_with(analysis, "attention"):
            yield f"attention_{model}", attention_heat_maps(analysis, model=model)
            if f"attention_std_over_samples_{model}" in analysis:
                yield (
                    f"attention_change_{model}",
                    attention_change_maps(analysis, model=model),
                )
    if models_with(analysis, "cka_layers"):
        yield "cka_layers", cka_layer_maps(analysis, order=networks)


_STORM_LEADS = (1.0, 3.0)  # of the paper's figures 6 and 9 [hours]


def _storm_figures(
    tracks: xr.Dataset, *, order: Sequence[str], coast: Coastlines
) -> Iterator[tuple[str, Figure]]:
    """Draw a storm's tracks at 1 and 3 hours, or at the first lead time, and its errors."""
    storm = str(tracks.attrs["storm"])
    name = f"storm_{storm.lower().replace(' ', '_')}"
    leads = [float(lead) for lead in tracks["lead_time"].values]
    shown = [lead for lead in _STORM_LEADS if lead in leads] or leads[:1]
    for lead in shown:
        drawn = tracks_of(tracks, lead_time=lead)
        title = f"{storm}, forecasts {lead:g} h ahead"
        yield (
            f"{name}_track_{lead:g}h",
            track_map(drawn, title=title, order=order, coast=coast),
        )
        yield f"{name}_intensity_{lead:g}h", intensity_curves(drawn, title=title, order=order)
    yield f"{name}_errors", track_errors_by_lead(tracks, order=order)
