"""A network's settings, fitted to the data that it is trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.forecasting.ridge import linear_settings
from met2net.models.linear_reference import LinearReference
from met2net.models.longitudes import with_periodic_longitude
from pipelines.errors import DataError

__all__ = ["network_on_grid"]


def network_on_grid(
    network: Mapping[str, Any], training_set: Path, *, window: WindowSpec
) -> dict[str, Any]:
    """Say in a network's settings what follows from the training set.

    Where its grid goes round the globe, the network sees across the edge of longitudes; where the
    settings say `periodic_longitude` themselves, that holds on any grid. A linear forecast that the
    network corrects gets the form that suits frames, grid and climatology.

    Raises:
        DataError: if there is no training set.
    """
    if not training_set.is_dir():
        raise DataError(f"found no folder {training_set}; expected a training set")
    data = TrainingSet.open(training_set)
    settings = _with_linear_form(network, data, window)
    return with_periodic_longitude(settings) if data.grid.is_periodic else settings


def _with_linear_form(
    network: Mapping[str, Any], data: TrainingSet, window: WindowSpec
) -> dict[str, Any]:
    """Fill in the linear forecast of every wrapper that has one."""
    settings = dict(network)
    if isinstance(settings.get("forecaster"), Mapping):
        settings["forecaster"] = _with_linear_form(settings["forecaster"], data, window)
    if settings["_target_"] == f"{LinearReference.__module__}.{LinearReference.__name__}":
        settings["linear"] = linear_settings(
            window,
            shape=data.fields.shape[1:],
            climatology_shape=data.climatology.values.shape,
            periodic_longitude=data.grid.is_periodic,
        )
    return settings
