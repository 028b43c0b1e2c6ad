"""A network is built for the grid of its training set."""

from pathlib import Path

import pytest
import xarray as xr

from flows.settings.config import load_experiment
from met2net.data.grid import Grid, equiangular
from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.training.network_grid import network_on_grid

REGION = Grid((20.0, 19.0), (70.0, 71.0, 72.0))


def make_store(folder: Path, grid: Grid) -> Path:
    """The axes of a training set."""
    path = folder / "set.zarr"
    axes = {"latitude": list(grid.latitude), "longitude": list(grid.longitude)}
    xr.Dataset(coords=axes).to_zarr(path, consolidated=True, zarr_format=2)
    return path


WINDOW = WindowSpec.regular(num_inputs=12, num_targets=12)


@pytest.mark.parametrize("roster", ["table1", "table5"])
def test_on_the_globe_every_network_of_a_table_sees_across_the_edge(
    tmp_path: Path, roster: str
) -> None:
    models = load_experiment([f"experiment={roster}", "source=generated"]).models
    globe = make_store(tmp_path / "globe", equiangular(30.0))
    region = make_store(tmp_path / "region", REGION)
    assert len(models) > 8
    for name, model in models.items():
        found = network_on_grid(model.network, globe, window=WINDOW)
        inner = found.get("forecaster", found)  # a network a variable
        assert inner["periodic_longitude"] is True, name
        assert network_on_grid(model.network, region, window=WINDOW) == model.network


def test_a_missing_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no folder .*; expected a training set"):
        network_on_grid({}, tmp_path / "none.zarr", window=WINDOW)


def test_wrappers_get_the_grid_and_the_climatology(tmp_path: Path) -> None:
    overrides = ["experiment=pearl_river", "known_inputs=[climatology,latitude]"]
    network = load_experiment(overrides).models["met2net"].network
    store = make_store(tmp_path / "globe", equiangular(30.0))
    found = network_on_grid(network, store, window=WINDOW)
    grid = equiangular(30.0)
    assert found["linear"]["grid_shape"] == list(grid.shape)
    assert found["linear"]["periodic_longitude"] is True
    assert found["linear"]["num_channels"] == 4
    assert found["forecaster"]["latitude"] == list(grid.latitude)
    assert found["forecaster"]["forecaster"]["periodic_longitude"] is True
    assert network["forecaster"]["latitude"] == [0.0]  # as long as there are no data
