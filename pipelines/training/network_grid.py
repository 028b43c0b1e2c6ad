"""A network's settings, fitted to the grid of the data that it is trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from met2net.data.grid import Grid
from met2net.models.longitudes import with_periodic_longitude
from pipelines.errors import DataError

__all__ = ["network_on_grid"]


def network_on_grid(network: Mapping[str, Any], training_set: Path) -> dict[str, Any]:
    """Let a network see across the edge of longitudes where the training set's grid closes there.

    On a regional grid the settings stay as they are; where they say `periodic_longitude`
    themselves, that holds on any grid.

    Raises:
        DataError: if there is no training set.
    """
    if not training_set.is_dir():
        raise DataError(f"found no folder {training_set}; expected a training set")
    with xr.open_zarr(training_set, chunks=None, consolidated=True) as dataset:
        is_periodic = Grid.from_dataset(dataset).is_periodic
    return with_periodic_longitude(network) if is_periodic else dict(network)
