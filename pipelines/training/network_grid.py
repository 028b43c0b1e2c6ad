"""A network's settings, fitted to the data that it is trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from met2net.data.grid import Grid
from met2net.data.windows import WindowSpec
from met2net.forecasting.ridge import linear_settings
from met2net.models.known_inputs import KnownInputs
from met2net.models.linear_reference import LinearReference
from met2net.models.longitudes import with_periodic_longitude
from met2net.models.seasonal_cycle import NUM_SEASONS
from pipelines.errors import DataError

__all__ = ["network_on_grid"]


def network_on_grid(
    network: Mapping[str, Any], training_set: Path, *, window: WindowSpec
) -> dict[str, Any]:
    """Say in a network's settings what follows from the training set.

    Where its grid goes round the globe, the network sees across the edge of longitudes; where the
    settings say `periodic_longitude` themselves, that holds on any grid. A linear forecast that the
    network corrects gets the form that suits frames, grid and climatology; fields known in advance
    get the grid.

    Raises:
        DataError: if there is no training set.
    """
    if not training_set.is_dir():
        raise DataError(f"found no folder {training_set}; expected a training set")
    with xr.open_zarr(training_set, chunks=None, consolidated=True) as dataset:
        grid = Grid.from_dataset(dataset)
        climatology_shape = dataset["climatology"].shape if "climatology" in dataset else (1, 1)
    settings = _completed(network, grid, climatology_shape=climatology_shape, window=window)
    return with_periodic_longitude(settings) if grid.is_periodic else settings


def _name(target: type) -> str:
    return f"{target.__module__}.{target.__name__}"


def _completed(
    network: Mapping[str, Any],
    grid: Grid,
    *,
    climatology_shape: tuple[int, ...],
    window: WindowSpec,
) -> dict[str, Any]:
    """Fill in what the wrappers of a network ask of the data."""
    settings = dict(network)
    if isinstance(settings.get("forecaster"), Mapping):
        settings["forecaster"] = _completed(
            settings["forecaster"], grid, climatology_shape=climatology_shape, window=window
        )
    days, num_hours = climatology_shape[:2]
    if settings["_target_"] == _name(KnownInputs):
        settings |= {
            "latitude": list(grid.latitude),
            "longitude": list(grid.longitude),
            "num_seasons": 1 if days == 1 else NUM_SEASONS,
            "num_hours": num_hours,
        }
    if settings["_target_"] == _name(LinearReference):
        settings["linear"] = linear_settings(
            window,
            shape=(settings["linear"]["num_channels"], *grid.shape),
            climatology_shape=climatology_shape,
            periodic_longitude=grid.is_periodic,
        )
    return settings
