"""A network is built for the grid of its training set."""

from pathlib import Path

import pytest
import xarray as xr

from flows.settings.config import load_experiment
from met2net.data.grid import Grid, equiangular
from pipelines.errors import DataError
from pipelines.training.network_grid import network_on_grid

REGION = Grid((20.0, 19.0), (70.0, 71.0, 72.0))


def make_store(folder: Path, grid: Grid) -> Path:
    """The axes of a training set."""
    path = folder / "set.zarr"
    axes = {"latitude": list(grid.latitude), "longitude": list(grid.longitude)}
    xr.Dataset(coords=axes).to_zarr(path, consolidated=True, zarr_format=2)
    return path


@pytest.mark.parametrize("roster", ["table1", "table5"])
def test_on_the_globe_every_network_of_a_table_sees_across_the_edge(
    tmp_path: Path, roster: str
) -> None:
    models = load_experiment([f"experiment={roster}", "source=generated"]).models
    globe = make_store(tmp_path / "globe", equiangular(30.0))
    region = make_store(tmp_path / "region", REGION)
    assert len(models) > 8
    for name, model in models.items():
        found = network_on_grid(model.network, globe)
        inner = found.get("forecaster", found)  # a network a variable
        assert inner["periodic_longitude"] is True, name
        assert network_on_grid(model.network, region) == model.network


def test_a_missing_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no folder .*; expected a training set"):
        network_on_grid({}, tmp_path / "none.zarr")
