"""A checkpoint tells what its variables are, also where nobody has defined them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from safetensors import safe_open

from met2net.checkpoint import load_checkpoint, save_checkpoint
from met2net.data import variables
from met2net.data.normalization import Normalizer
from met2net.data.variable_definitions import define_all
from met2net.data.variables import is_channel, variable
from met2net.forecast import Forecaster
from tests.met2net.models.model_builders import MET2NET_SETTINGS
from tests.met2net.test_checkpoint import GRID, make_checkpoint

GROUPS = {"air": ("vo850", "blh"), "t2m": ("t2m",)}
UNITS = ("s-1", "m", "K")


@pytest.fixture(autouse=True)
def nothing_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_ADDED", {})


def define() -> None:
    define_all(
        {
            "vorticity": {
                "label": "vo", "units": "s-1", "valid_range": [-0.01, 0.01],
                "level_kind": "pressure",
            },
            "boundary_layer_height": {"label": "blh", "units": "m", "valid_range": [0, 15000]},
        }
    )  # fmt: skip


def saved(folder: Path) -> Path:
    settings = MET2NET_SETTINGS | {"variables": {n: list(labels) for n, labels in GROUPS.items()}}
    checkpoint = replace(
        make_checkpoint(settings=settings),
        normalizer=Normalizer(("vo850", "blh", "t2m"), (0.0, 500.0, 285.0), (1e-5, 300.0, 10.0)),
        variables=GROUPS, units=UNITS,
    )  # fmt: skip
    save_checkpoint(folder / "model.safetensors", checkpoint)
    return folder / "model.safetensors"


def analysis() -> xr.Dataset:
    hours = np.array(["2020-01-01T06", "2020-01-01T12"], dtype="datetime64[ns]")
    coords = {"time": hours, "latitude": list(GRID.latitude), "longitude": list(GRID.longitude)}
    dims, shape = ("time", "latitude", "longitude"), (2, *GRID.shape)
    dataset = xr.Dataset(
        {
            "boundary_layer_height": (dims, np.full(shape, 600.0), {"units": "m"}),
            "2m_temperature": (dims, np.full(shape, 280.0), {"units": "K"}),
        },
        coords=coords,
    )
    vorticity = xr.DataArray(np.full(shape, 2e-5), dims=dims, coords=coords, attrs={"units": "s-1"})
    return dataset.assign(vorticity=vorticity.expand_dims(level=[850], axis=1))


def test_a_checkpoint_brings_its_definitions_along(tmp_path: Path) -> None:
    define()
    path = saved(tmp_path)
    variables._ADDED.clear()
    assert not is_channel("vo850")
    forecaster = Forecaster(load_checkpoint(path))
    assert variable("vorticity").valid_range == (-0.01, 0.01)
    made = forecaster.forecast(analysis(), np.datetime64("2020-01-01T12"))
    assert made["vorticity"].attrs["units"] == "s-1"
    assert made["vorticity"]["level"].values.tolist() == [850]
    broken = analysis()
    broken["vorticity"][0, 0, 0, 0] = 1.0
    with pytest.raises(ValueError, match="vo850 .vorticity. is 1 s-1 at 2020-01-01T06"):
        forecaster.forecast(broken, np.datetime64("2020-01-01T12"))


def test_a_checkpoint_of_another_definition_is_refused(tmp_path: Path) -> None:
    define()
    path = saved(tmp_path)
    variables._ADDED.clear()
    define_all({"vorticity": {"label": "vo", "units": "s-1", "valid_range": [-1, 1],
                              "level_kind": "pressure"}})  # fmt: skip
    with pytest.raises(ValueError, match="vorticity has name 'vorticity', which is that of vort"):
        load_checkpoint(path)


def test_a_checkpoint_of_era5_s_variables_is_written_as_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "model.safetensors", make_checkpoint())
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        assert "definitions" not in json.loads(file.metadata()["met2net"])
