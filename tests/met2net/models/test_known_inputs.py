"""Fields of time and place: at the right channel and hour, without a trace of what is forecast."""

import math
from functools import partial
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from met2net.data.climatology import Climatology
from met2net.data.grid import Grid
from met2net.data.solar_radiation import SOLAR_CONSTANT, hourly_solar_radiation
from met2net.data.static_fields import StaticField
from met2net.models.known_fields import KnownField
from met2net.models.known_inputs import KnownInputs
from met2net.models.met2net import Met2Net
from met2net.models.reference_frame import ReferenceFrame
from met2net.models.wrapper import needs_init_time, run_network
from met2net.training.objective import EndToEnd
from met2net.training.problem import learning_problem
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import SIZES, VARIABLES

ALL = get_args(KnownField)
LATITUDE, LONGITUDE = (60.0, 30.0, 0.0, -30.0), (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)
HOURS = {"input_hours": (-6, 0), "target_hours": (6, 12, 18)}
CLIMATOLOGY = Climatology(np.random.default_rng(0).normal(size=(1, 4, 3, 4, 6)).astype(np.float32))
GRID = Grid(LATITUDE, LONGITUDE)
STATIC = {
    "orography": StaticField(
        "orography", GRID, np.arange(24, dtype=np.float32).reshape(4, 6) * 100
    ),
    "land_sea_mask": StaticField(
        "land_sea_mask", GRID, np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    ),
}  # fmt: skip


class Keeping(nn.Module):
    """Give zeros, and keep what it saw."""

    def __init__(self, *, variables, input_variables):
        super().__init__()
        self.input_variables = input_variables
        self.channels = sum(len(labels) for labels in variables.values())

    def forward(self, inputs):
        self.seen = inputs
        return torch.zeros(len(inputs), 3, self.channels, *inputs.shape[-2:])


def make_network(fields=ALL, forecaster=Keeping, **changes) -> KnownInputs:
    network = KnownInputs(
        variables=VARIABLES, forecaster=forecaster, fields=fields, latitude=LATITUDE,
        longitude=LONGITUDE, num_hours=4, **HOURS | changes,
    )  # fmt: skip
    network.fit_climatology(CLIMATOLOGY)
    network.set_static_fields(STATIC)
    return network


def make_batch():
    torch.manual_seed(0)
    inputs, targets = (torch.randn(2, n, 3, 4, 6) for n in (2, 3))
    return inputs, targets, torch.tensor([6, 24 * 200 + 12])


def test_every_field_stands_where_its_name_says():
    network = make_network()
    inputs, _, init_time = make_batch()
    network(inputs, init_time)
    seen, names = network.forecaster.seen, network.forecaster.input_variables
    labels = [label for group in names.values() for label in group]
    assert seen.shape == (2, 2, len(labels), 4, 6)
    assert len(set(labels)) == len(labels)
    at = {label: seen[:, :, place] for place, label in enumerate(labels)}
    assert torch.equal(at["v10"], inputs[:, :, 1])
    # Frame 1 of the window from init time 6 is hour 6; with it stand target hours 12 (of 6, 12, 18
    # after it, its own place and, where there is no further one, the last).
    for when, hours in (("now", (0, 6)), ("ahead 0", (12, 18)), ("ahead 1", (24, 24))):
        valid = torch.tensor(hours)
        flux = hourly_solar_radiation(
            valid, latitude=torch.tensor(LATITUDE), longitude=torch.tensor(LONGITUDE)
        )
        found = at[f"solar_radiation 0 {when} beside uv10"][0]
        torch.testing.assert_close(found, flux / SOLAR_CONSTANT, atol=1e-6, rtol=0)
        expected = torch.from_numpy(CLIMATOLOGY.at(valid.numpy()))
        torch.testing.assert_close(at[f"climatology of t2m {when}"][0], expected[:, 2])
        turn = 2 * math.pi * (np.array(hours) % 24 / 24)
        time = at[f"time_of_day 0 {when} beside t2m"][0, :, 0, 0]  # at 0 E: UTC
        np.testing.assert_allclose(time, np.cos(turn), atol=1e-6)
    np.testing.assert_allclose(
        at["sine of latitude beside t2m"][0, 0, :, 0], np.sin(np.deg2rad(LATITUDE)), atol=1e-6
    )
    np.testing.assert_allclose(
        at["sine of longitude beside uv10"][1, 1, 2], np.sin(np.deg2rad(LONGITUDE)), atol=1e-6
    )
    for name, field in STATIC.items():
        for variable in VARIABLES:
            np.testing.assert_array_equal(at[f"{name} beside {variable}"][1, 0], field.seen)


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_no_input_depends_on_the_target_fields(data):
    chosen = data.draw(st.lists(st.sampled_from(ALL), min_size=1, unique=True))
    seed = data.draw(st.integers(0, 99))
    network = make_network(chosen)
    inputs, targets, init_time = make_batch()
    other = torch.randn(targets.shape, generator=torch.Generator().manual_seed(seed))
    problems = [
        learning_problem(network, inputs=inputs, targets=aim, init_time=init_time)
        for aim in (targets, other)
    ]
    assert torch.equal(problems[0].inputs, problems[1].inputs)
    assert torch.equal(problems[0].targets, targets)


@pytest.mark.parametrize("field", ["climatology", "solar_radiation", "time_of_day", "day_of_year"])
def test_init_times_are_asked_for_where_a_field_follows_from_them(field):
    inputs, _, init_time = make_batch()
    of_place = make_network(fields=["latitude", "longitude", "land_sea_mask", "orography"])
    assert not needs_init_time(of_place)
    without = (of_place(inputs), of_place.forecaster.seen)
    known = (of_place(inputs, init_time), of_place.forecaster.seen)
    assert all(torch.equal(*pair) for pair in zip(without, known, strict=True))
    names = [name for group in of_place.forecaster.input_variables.values() for name in group]
    place = names.index("sine of latitude beside t2m")
    assert without[1][0, 0, place, 1, 0].item() == pytest.approx(0.5)  # of 30 degrees
    moving = make_network(fields=["latitude", field])
    assert needs_init_time(moving)
    with pytest.raises(ValueError, match="found no init time; expected one a sample"):
        moving(inputs)


@pytest.mark.parametrize("objective", [EndToEnd(), TwoStage(translator_momentum=0.9)])
def test_networks_learn_with_them_inside_a_reference_frame(objective):
    inner = partial(Met2Net, num_inputs=2, num_targets=3, num_heads=2, **SIZES)
    known = partial(
        KnownInputs, forecaster=inner, fields=ALL, latitude=LATITUDE, longitude=LONGITUDE,
        num_hours=4, **HOURS,
    )  # fmt: skip
    network = ReferenceFrame(variables=VARIABLES, forecaster=known)
    network.set_scale(torch.ones(3))
    network.forecaster.fit_climatology(CLIMATOLOGY)
    network.forecaster.set_static_fields(STATIC)
    assert needs_init_time(network)
    objective.prepare(network)
    inputs, targets, init_time = make_batch()
    objective(network, inputs, targets, init_time)["loss"].backward()
    weights = network.forecaster.forecaster.encoders.variables[0][0].convolution.weight
    assert weights.grad.abs().sum(dim=(0, 2, 3)).min() > 0  # every channel counts
    forecast = run_network(network.eval(), inputs, init_time)
    later = run_network(network, inputs, init_time + 24 * 90)
    assert forecast.shape == targets.shape
    assert (forecast - later).abs().max() > 1e-4


def test_without_init_times_it_is_refused():
    with pytest.raises(ValueError, match="found no init time"):
        run_network(make_network(), make_batch()[0])


@pytest.mark.parametrize("fields", [(), ("rain",), ("latitude", "latitude")])
def test_fields_that_are_not_known_are_refused(fields):
    with pytest.raises(ValueError, match="expected some of climatology, solar_radiation"):
        make_network(fields)


def test_the_grid_and_the_climatology_travel_with_the_weights():
    names = make_network(("latitude", "climatology")).state_dict()
    assert list(names) == ["latitude", "longitude", "climatology.terms"]


def test_static_fields_are_those_that_the_network_was_built_for():
    network = make_network(["orography"], static={"orography": STATIC["orography"].content})
    assert list(network.state_dict()) == ["latitude", "longitude", "static_fields"]
    kilometres = network.static_fields[0]
    assert kilometres[3, 5].item() == pytest.approx(2.3)
    with pytest.raises(ValueError, match="found static fields land_sea_mask; expected orography"):
        network.set_static_fields({"land_sea_mask": STATIC["land_sea_mask"]})
    moved = StaticField("orography", Grid(LATITUDE, (0.0, 60.0)), np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match="orography is on 4 x 2 points.*; expected 4 x 6 points"):
        network.set_static_fields({"orography": moved})
    turned = StaticField(
        "orography", Grid((61.0, *LATITUDE[1:]), LONGITUDE), STATIC["orography"].values
    )
    with pytest.raises(
        ValueError, match="latitude 61, 30, 0, -30, .*; expected .* latitude 60, 30"
    ):
        network.set_static_fields({"orography": turned})
    other = StaticField("orography", GRID, STATIC["orography"].values + 1)
    with pytest.raises(ValueError, match="has content .*; expected .*, for which the network was"):
        network.set_static_fields({"orography": other})
