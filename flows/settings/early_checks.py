"""Mistakes that the settings of an experiment show: refused before anything is fetched."""

from pathlib import Path
from typing import Any

import torch

from flows.settings.config import Experiment, ModelSettings
from flows.settings.window_counts import num_windows
from met2net.data.grid import Grid
from met2net.data.training_set import SPLITS
from met2net.models.mirrored_hemispheres import MirroredHemispheres, check_hemispheres
from met2net.models.own_classes import dotted_name
from pipelines.errors import DataError
from pipelines.evaluation.score_checks import check_window_counts
from pipelines.evaluation.scored_regions import scored_regions
from pipelines.fields.target_grids import NAMED_RESOLUTIONS, target_grid
from pipelines.image_sequences.sequences import SequenceSource
from pipelines.training.job import TrainerSettings

__all__ = ["check_early", "check_machine", "check_trainer"]


def check_early(experiment: Experiment, *, analyzes: bool = True) -> None:
    """Check what needs neither data nor network.

    Args:
        experiment: that is to be run.
        analyzes: whether its networks are analyzed, which takes some windows.

    Raises:
        DataError: naming the setting, what it is and what could be.
    """
    check_machine(experiment)
    _check_period(experiment)
    counts = {name: num_windows(experiment, name) for name in SPLITS}
    check_window_counts(counts, evaluation=experiment.evaluation, analyzes=analyzes)
    settings = experiment.grid
    if settings is not None and (settings.resolution is not None or settings.latitude is not None):
        grid = target_grid(NAMED_RESOLUTIONS["0.25"](), settings)
        scored_regions(grid, experiment.evaluation.scoring)
        for name, model in experiment.models.items():
            _check_hemispheres(grid, name, model)


def check_machine(experiment: Experiment) -> None:
    """Refuse GPUs and files that are not here.

    Raises:
        DataError: naming the setting that asks for them.
    """
    check_trainer(experiment.trainer)
    mask = experiment.evaluation.scoring.land_sea_mask
    if mask is not None and not Path(mask).exists():
        raise DataError(
            f"evaluation.scoring.land_sea_mask is {mask!r}; found no such file, expected a "
            "land-sea mask"
        )


def check_trainer(settings: TrainerSettings) -> None:
    """Refuse GPUs that this machine does not have.

    Raises:
        DataError: if there are fewer than asked for.
    """
    found = torch.cuda.device_count()
    if settings.accelerator == "gpu" and found < settings.devices:
        raise DataError(
            f"trainer.accelerator is 'gpu' with trainer.devices {settings.devices}; found {found} "
            "GPUs that PyTorch can use here, expected as many as devices, or trainer=cpu"
        )


def _check_hemispheres(grid: Grid, name: str, model: ModelSettings) -> None:
    """Refuse a mirror at an equator that is not in the middle of the grid."""
    network: Any = model.network
    while network is not None and network["_target_"] != dotted_name(MirroredHemispheres):
        network = network.get("forecaster")
    if network is not None:
        try:
            check_hemispheres(grid.latitude)
        except ValueError as error:
            raise DataError(f"models.{name}: {error}") from error


def _check_period(experiment: Experiment) -> None:
    """Refuse splits with hours that the period does not bring."""
    period = experiment.period
    if isinstance(experiment.source, SequenceSource) or period is None:
        return
    for name, split in experiment.splits.periods().items():
        if split.first < period.first or split.last > period.last:
            raise DataError(
                f"data.splits.{name} is {split}; expected hours of data.period, {period}"
            )
