import dataclasses
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from met2net.data.static_fields import StaticField
from met2net.export import export_forecaster
from met2net.models.known_inputs import KnownInputs
from met2net.models.met2net import Met2Net
from met2net.models.reference_frame import ReferenceFrame
from tests.met2net.models.model_builders import SIZES, is_same, randomize, snapshot
from tests.met2net.test_forecast import GRID, correcting_linear, make_forecaster

_LOAD = """
import sys, torch
sys.modules["met2net"] = None  # not at hand
program = torch.export.load(sys.argv[1])
torch.save(program.module()(torch.load(sys.argv[2])).detach(), sys.argv[3])
"""


def make_inputs(batch: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (180 + 3 * rng.standard_normal((batch, 2, 3, *GRID.shape))).astype(np.float32)


def in_reference_frame(forecaster):
    checkpoint = forecaster.checkpoint
    inner = partial(Met2Net, num_inputs=2, num_targets=3, num_heads=2, **SIZES)
    network = randomize(ReferenceFrame(variables=checkpoint.variables, forecaster=inner))
    network.set_scale(torch.tensor([0.5, 0.25, 2.0]))
    forecaster.checkpoint = dataclasses.replace(checkpoint, network=network)
    return forecaster


def on_a_closed_circle(forecaster):
    checkpoint = forecaster.checkpoint
    network = Met2Net(
        variables=checkpoint.variables, num_inputs=2, num_targets=3, num_heads=2,
        periodic_longitude=True, **SIZES,
    )  # fmt: skip
    forecaster.checkpoint = dataclasses.replace(checkpoint, network=randomize(network))
    return forecaster


def with_known_fields(forecaster, *, fields):
    checkpoint, inner = forecaster.checkpoint, partial(Met2Net, num_heads=2, **SIZES)
    network = KnownInputs(
        variables=checkpoint.variables, forecaster=partial(inner, num_inputs=2, num_targets=3),
        fields=fields, input_hours=checkpoint.window.input_hours,
        target_hours=checkpoint.window.target_hours, latitude=checkpoint.grid.latitude,
        longitude=checkpoint.grid.longitude,
    )  # fmt: skip
    shape, grid = checkpoint.grid.shape, checkpoint.grid
    land = np.linspace(0, 1, np.prod(shape), dtype=np.float32).reshape(shape)
    network.set_static_fields({
        "orography": StaticField("orography", grid, 3000 * land),
        "land_sea_mask": StaticField("land_sea_mask", grid, land),
    })  # fmt: skip
    forecaster.checkpoint = dataclasses.replace(checkpoint, network=randomize(network))
    return forecaster


with_its_place = partial(
    with_known_fields, fields=["latitude", "longitude", "orography", "land_sea_mask"]
)
with_sun_and_clock = partial(
    with_known_fields, fields=["solar_radiation", "time_of_day", "day_of_year", "longitude"]
)


@pytest.mark.parametrize(
    ("wrap", "batch"),
    [
        (lambda f: f, 1),
        (in_reference_frame, 4),
        (on_a_closed_circle, 1),
        (correcting_linear, 4),
        (with_its_place, 1),
        (with_sun_and_clock, 4),
    ],
    ids=["alone", "in_frame", "closed", "linear", "place", "sun_and_clock"],
)
def test_the_exported_program_forecasts_as_the_forecaster(wrap, batch):
    forecaster = wrap(make_forecaster())
    inputs = make_inputs(batch)
    before = snapshot(forecaster.checkpoint.network)
    assert forecaster.needs_init_time == (wrap in (correcting_linear, with_sun_and_clock))
    program = export_forecaster(forecaster.checkpoint)
    hours = torch.arange(batch) * 1000 if forecaster.needs_init_time else None
    arguments = () if hours is None else (hours,)
    found = program.module()(torch.from_numpy(inputs).double(), *arguments)
    expected = forecaster.predict(inputs, None if hours is None else hours.numpy())
    # The same operations in another order of memory: float32 roundings of values near 180.
    np.testing.assert_allclose(found.detach().float().numpy(), expected, rtol=1e-5)
    assert is_same(before, snapshot(forecaster.checkpoint.network))


def test_a_saved_program_runs_without_this_package(tmp_path):
    forecaster = make_forecaster()
    inputs = torch.from_numpy(make_inputs(3)).double()
    torch.export.save(export_forecaster(forecaster.checkpoint), tmp_path / "model.pt2")
    torch.save(inputs, tmp_path / "inputs.pt")
    names = [str(tmp_path / name) for name in ("model.pt2", "inputs.pt", "forecast.pt")]
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = forecaster.predict(inputs.float().numpy())
    np.testing.assert_allclose(torch.load(names[2]).float().numpy(), expected, rtol=1e-5)
