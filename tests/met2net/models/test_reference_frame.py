from functools import partial

import pytest
import torch
from torch import nn

from met2net.models.baselines.metaformer import TAU
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.reference_frame import ReferenceFrame
from tests.met2net.models.model_builders import (
    SIZES,
    VARIABLES,
    is_same,
    make_batch,
    make_reference_frame,
    randomize,
    snapshot,
)  # fmt: skip


class Zeros(nn.Module):
    """Give zero differences, and keep what it saw."""

    def __init__(self, *, variables, input_variables):
        super().__init__()
        self.channels = sum(len(labels) for labels in variables.values())
        self.input_variables = input_variables

    def forward(self, inputs):
        self.seen = inputs
        return torch.zeros(len(inputs), 3, self.channels, *inputs.shape[-2:])


def make_zeros() -> ReferenceFrame:
    network = ReferenceFrame(variables=VARIABLES, forecaster=Zeros)
    network.set_scale(torch.tensor([0.5, 0.25, 2.0]))
    return network


def test_zero_differences_are_persistence():
    inputs, _ = make_batch()
    forecast = make_zeros()(inputs)
    assert torch.equal(forecast, inputs[:, -1:].expand(-1, 3, -1, -1, -1))


def test_forecaster_sees_differences_and_reference_by_hand():
    network = make_zeros()
    inputs = torch.tensor([[[1.0, 2.0, 3.0], [2.0, 2.5, 7.0]]])[..., None, None]  # (1, 2, 3, 1, 1)
    network(inputs)
    # uv10: u10 v10 and their references; t2m and its reference.
    assert network.forecaster.seen[0, 0].flatten().tolist() == [-2.0, -2.0, 2.0, 2.5, -2.0, 7.0]
    assert network.forecaster.seen[0, 1].flatten().tolist() == [0.0, 0.0, 2.0, 2.5, 0.0, 7.0]
    assert [len(labels) for labels in network.forecaster.input_variables.values()] == [4, 2]


def test_a_constant_shift_of_differences_is_undone():
    network = make_reference_frame()
    inputs, targets = make_batch()
    reference = inputs[:, -1:]
    differences = network.differences(targets, reference=reference)
    back = differences * network.scale[:, None, None] + reference
    torch.testing.assert_close(back, targets)


@pytest.mark.parametrize(
    "inner",
    [
        partial(TAU, num_inputs=2, num_targets=2, **SIZES),
        partial(PerVariable, forecaster=partial(TAU, num_inputs=2, num_targets=2, **SIZES)),
    ],
)
def test_it_wraps_any_forecaster(inner):
    network = ReferenceFrame(variables=VARIABLES, forecaster=inner)
    network.set_scale(torch.ones(3))
    inputs, _ = make_batch()
    assert network(inputs).shape == (2, 2, 3, 4, 6)


def test_analyses_are_those_of_the_inner_network():
    network = randomize(make_reference_frame())
    inputs, _ = make_batch()
    encoded = network.encode(inputs, reference=inputs[:, -1:])
    assert torch.equal(network.attention_maps(inputs), network.forecaster.attention_maps(encoded))
    assert is_same(network.trace(inputs), network.forecaster.trace(encoded))


def test_analyses_exist_only_where_the_inner_network_has_them():
    tau = partial(TAU, num_inputs=2, num_targets=2, **SIZES)
    assert not hasattr(ReferenceFrame(variables=VARIABLES, forecaster=tau), "trace")
    per_variable = ReferenceFrame(
        variables=VARIABLES, forecaster=partial(PerVariable, forecaster=tau)
    )
    assert hasattr(per_variable, "trace")
    assert not hasattr(per_variable, "attention_maps")


def test_the_scale_travels_with_the_weights():
    network = make_reference_frame()
    inputs, _ = make_batch()
    other = ReferenceFrame(variables=VARIABLES, forecaster=lambda **_: network.forecaster)
    with pytest.raises(ValueError, match="scale of differences is not set"):
        other(inputs)
    other.load_state_dict(snapshot(network))
    assert torch.equal(other.eval()(inputs), network.eval()(inputs))


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ([1.0, 1.0], "scale has 2 channels; expected 3: u10, v10, t2m"),
        ([1.0, 0.0, 1.0], "scale of v10 is 0.0; expected a positive finite number"),
        ([1.0, 1.0, float("nan")], "scale of t2m is nan"),
    ],
)
def test_a_wrong_scale_is_refused(scale, message):
    with pytest.raises(ValueError, match=message):
        make_reference_frame().set_scale(torch.tensor(scale))
