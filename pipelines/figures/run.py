"""All figures of one run folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from pipelines.figures.analysis import (
    attention_heat_maps,
    cka_curves,
    cka_heat_maps,
    models_with,
)
from pipelines.figures.maps import forecast_maps
from pipelines.figures.scores import lead_time_curves, scoreboard, training_curves
from pipelines.figures.style import save
from pipelines.score_summary import networks_of, open_scores, verdict
from pipelines.training_curves import read_curves

__all__ = ["draw_run"]


def draw_run(run_folder: Path, *, network: str | None = None) -> list[Path]:
    """Draw every figure that the files of a run allow into `run_folder/figures`.

    Scores are required; worked window, analyses and training curves are drawn where their
    files exist. Maps are drawn for `network`, by default the best one.
    """
    return [
        save(figure, run_folder / "figures" / f"{name}.png")
        for name, figure in _figures(run_folder, network)
    ]


def _figures(run_folder: Path, network: str | None) -> Iterator[tuple[str, Figure]]:
    scores = open_scores(run_folder / "scores.nc")
    yield "scoreboard", scoreboard(scores)
    for metric in ("rmse", "acc"):
        yield f"lead_time_{metric}", lead_time_curves(scores, metric=metric)
    if (run_folder / "example.nc").exists():
        shown = verdict(scores, network=network).network
        with xr.open_dataset(run_folder / "example.nc", decode_timedelta=False) as example:
            for channel in map(str, example["channel"].values):
                yield f"map_{channel}", forecast_maps(example, channel=channel, model=shown)
    if (run_folder / "analysis.nc").exists():
        with xr.open_dataset(run_folder / "analysis.nc") as analysis:
            yield from _analysis_figures(analysis, networks=networks_of(scores))
    curves = {
        name: read_curves(run_folder / "models" / name / "metrics.csv")
        for name in networks_of(scores)
        if (run_folder / "models" / name / "metrics.csv").exists()
    }
    if curves:
        yield "training", training_curves(curves, order=networks_of(scores))


def _analysis_figures(
    analysis: xr.Dataset, *, networks: Sequence[str]
) -> Iterator[tuple[str, Figure]]:
    if analysis.sizes["variable"] < 2:  # nothing to compare, nothing else to attend to
        return
    models = models_with(analysis, "cka")
    if models:
        yield "cka_by_layer", cka_curves(analysis, order=networks)
        for model in models:
            yield f"cka_matrix_{model}", cka_heat_maps(analysis, model=model)
    for model in models_with(analysis, "attention"):
        yield f"attention_{model}", attention_heat_maps(analysis, model=model)
