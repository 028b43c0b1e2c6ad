"""Figures: pure functions from datasets to matplotlib figures, and one that draws a run.

Gives: the functions below, which is what other rooms use of most files; `cyclones`, `forecast`
and `comparison_maps` by their own names; `style.save`.
Needs: `evaluation`, `storms`, `training`, `maps`.
"""

from pipelines.figures.analysis import (
    attention_change_maps,
    attention_heat_maps,
    cka_curves,
    cka_heat_maps,
    cka_layer_maps,
)
from pipelines.figures.breakdowns import group_dots, hourly_curves, skill_curves, spectra
from pipelines.figures.distributions import resources_and_skill, value_distributions
from pipelines.figures.maps import forecast_maps
from pipelines.figures.run import draw_run
from pipelines.figures.scores import lead_time_curves, scoreboard
from pipelines.figures.style import save
from pipelines.figures.training import training_curves

__all__ = [
    "attention_change_maps",
    "attention_heat_maps",
    "cka_curves",
    "cka_heat_maps",
    "cka_layer_maps",
    "draw_run",
    "forecast_maps",
    "group_dots",
    "hourly_curves",
    "lead_time_curves",
    "resources_and_skill",
    "save",
    "scoreboard",
    "skill_curves",
    "spectra",
    "training_curves",
    "value_distributions",
]
