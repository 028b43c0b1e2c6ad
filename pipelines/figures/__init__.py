"""Figures: pure functions from datasets to matplotlib figures, and one that draws a run."""

from pipelines.figures.analysis import attention_heat_maps, cka_curves, cka_heat_maps
from pipelines.figures.maps import forecast_maps
from pipelines.figures.run import draw_run
from pipelines.figures.scores import lead_time_curves, scoreboard, training_curves
from pipelines.figures.style import save

__all__ = [
    "attention_heat_maps",
    "cka_curves",
    "cka_heat_maps",
    "draw_run",
    "forecast_maps",
    "lead_time_curves",
    "save",
    "scoreboard",
    "training_curves",
]
