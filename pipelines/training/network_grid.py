"""A network's settings, fitted to the data that it is trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from met2net.data.grid import Grid
from met2net.data.static_field_file import read_static_field, static_field_file
from met2net.data.training_set import VALID_MASK
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import WindowSpec
from met2net.training.fitted_settings import asked_static_fields, settings_on_grid
from pipelines.errors import DataError, as_data_error

__all__ = ["network_on_grid"]


def network_on_grid(
    network: Mapping[str, Any], training_set: Path, *, window: WindowSpec
) -> dict[str, Any]:
    """Say in a network's settings what follows from the training set; see `settings_on_grid`.

    Raises:
        DataError: if there is no training set, or the network is to see a mask or static fields and
            there are none.
    """
    if not training_set.is_dir():
        raise DataError(f"found no folder {training_set}; expected a training set")
    with xr.open_zarr(training_set, chunks=None, consolidated=True) as dataset:
        grid = Grid.from_dataset(dataset)
        climatology_shape = dataset["climatology"].shape if "climatology" in dataset else (1, 1)
        masked: tuple[str, ...] = ()
        if VALID_MASK in dataset:
            valid = ValidPoints(dataset[VALID_MASK].values.astype(bool))
            masked = valid.masked(tuple(map(str, dataset["channel"].values)))
    with as_data_error():
        static = {
            name: read_static_field(static_field_file(training_set, name), name).content
            for name in asked_static_fields(network)
        }
        return settings_on_grid(
            network, grid, climatology_shape=climatology_shape, window=window, masked=masked,
            static=static,
        )  # fmt: skip
