"""What is particular to the recurrent baselines; `test_every_baseline.py` has the rest."""

from functools import partial

import pytest
import torch
from einops import rearrange

from met2net.models.baselines.convlstm import ConvLSTM
from met2net.models.baselines.mau import MAU
from met2net.models.baselines.predrnn import PredRNN
from met2net.models.baselines.predrnnpp import PredRNNpp
from met2net.models.baselines.recurrent import forecast_channels
from met2net.models.reference_frame import ReferenceFrame
from tests.met2net.models.model_builders import (
    VARIABLES,
    is_same,
    make_batch,
    randomize,
    snapshot,
)

KINDS = [ConvLSTM, PredRNN, PredRNNpp, MAU]
TINY = {"hidden_dim": 6, "num_layers": 2, "kernel_size": 3}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, *, num_inputs=2, num_targets=3, variables=VARIABLES, **changes):
    torch.manual_seed(0)
    frames = {"num_inputs": num_inputs, "num_targets": num_targets}
    return randomize(kind(variables=variables, **frames, **(TINY | changes))).eval()


def sigmoid(x):
    return torch.sigmoid(torch.tensor(x)).item()


def tanh(x):
    return torch.tanh(torch.tensor(x)).item()


def constant(network, value):
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(value)


POINT = {"hidden_dim": 1, "num_layers": 1, "kernel_size": 1, "patch_size": 1}


def test_convlstm_on_one_point_is_an_lstm_by_hand():
    network = make(ConvLSTM, num_inputs=1, num_targets=1, variables={"a": ["a"]}, **POINT)
    constant(network, 0.5)
    # x = 2, h = c = 0: every gate is 0.5 * 2 = 1; c' = sigmoid(1) tanh(1).
    cell = sigmoid(1.0) * tanh(1.0)
    expected = 0.5 * sigmoid(1.0) * tanh(cell)
    assert network(torch.full((1, 1, 1, 1, 1), 2.0)).item() == pytest.approx(expected, rel=1e-6)


def test_convlstm_agrees_with_the_lstm_of_pytorch_on_one_point():
    network = make(ConvLSTM, num_inputs=4, num_targets=1, variables={"a": ["a"]}, **POINT)
    oracle = torch.nn.LSTM(1, 1, bias=False)
    with torch.no_grad():
        ours = network.cells[0].gates.weight[:, :, 0, 0]  # (enter, forget, content, leave)
        oracle.weight_ih_l0.copy_(ours[:, :1])
        oracle.weight_hh_l0.copy_(ours[:, 1:])
    frames = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    hidden = oracle(rearrange(frames, "b t -> t b 1"))[0][-1]
    expected = hidden[:, 0] * network.readout.weight.item()
    torch.testing.assert_close(network(frames[:, :, None, None, None]).flatten(), expected)


def test_predrnn_on_one_point_by_hand():
    network = make(PredRNN, num_inputs=1, num_targets=1, variables={"a": ["a"]}, **POINT)
    constant(network, 0.5)
    # Both memories: sigmoid(1) tanh(1); both go into the output gate and the 1x1 merge.
    memory = sigmoid(1.0) * tanh(1.0)
    expected = 0.5 * sigmoid(1.0 + 0.5 * 2 * memory) * tanh(0.5 * 2 * memory)
    assert network(torch.full((1, 1, 1, 1, 1), 2.0)).item() == pytest.approx(expected, rel=1e-6)


def test_predrnnpp_on_one_point_by_hand():
    variables = {"a": ["a"]}
    network = make(
        PredRNNpp, num_inputs=1, num_targets=1, variables=variables, **POINT | {"num_layers": 2}
    )
    constant(network, 0.5)

    def cell(x, climbing):
        memory = sigmoid(0.5 * x) * tanh(0.5 * x)
        enter = sigmoid(0.5 * x + 0.5 * climbing + 0.5 * memory)
        forget = sigmoid(0.5 * climbing + 0.5 * memory + 0.5 * x + 1.0)
        new = forget * tanh(0.5 * climbing) + enter * tanh(0.5 * x + 0.5 * memory)
        leave = tanh(0.5 * x + 0.5 * memory + 0.5 * new)
        return leave * tanh(0.5 * (memory + new)), new

    hidden, climbing = cell(2.0, 0.0)
    passing = sigmoid(0.5 * hidden) * tanh(0.5 * hidden)
    top, _ = cell(passing, climbing)
    assert network(torch.full((1, 1, 1, 1, 1), 2.0)).item() == pytest.approx(0.5 * top, rel=1e-5)


def test_mau_attends_to_the_past_that_looks_like_now():
    network = make(MAU, history=3)
    unit = network.units[0]
    seen = torch.randn(1, 6, 2, 3, generator=torch.Generator().manual_seed(0))
    query = unit.query(seen)
    past_seen = torch.stack([-1e3 * query, 1e3 * query, torch.zeros_like(query)])
    past = torch.stack([torch.full_like(seen, value) for value in (1.0, 2.0, 3.0)])
    # Attention falls on the second alone: as if all the past had been like it.
    alone = unit(seen, seen, past[1].expand_as(past), past_seen)
    torch.testing.assert_close(unit(seen, seen, past, past_seen), alone)


@every_kind
def test_own_forecasts_are_fed_back(kind):
    """Two targets at once are the same as one target, twice."""
    both = make(kind, num_targets=2)
    one = kind(variables=VARIABLES, num_inputs=2, num_targets=1, **TINY).eval()
    one.load_state_dict(both.state_dict())
    longer = kind(variables=VARIABLES, num_inputs=3, num_targets=1, **TINY).eval()
    longer.load_state_dict(both.state_dict())
    inputs, _ = make_batch(grid=(4, 8))
    first = one(inputs)
    second = longer(torch.cat([inputs, first], dim=1))
    torch.testing.assert_close(both(inputs), torch.cat([first, second], dim=1))


@every_kind
def test_with_targets_and_no_truth_it_is_the_forecast(kind):
    network = make(kind)
    inputs, targets = make_batch(num_targets=3, grid=(5, 7))
    forecast = network.forward_with_targets(inputs, targets, torch.zeros(2, 2, dtype=torch.bool))
    assert forecast.shape == (2, 4, 3, 5, 7)
    assert torch.equal(forecast[:, 1:], network(inputs))


@every_kind
def test_with_truth_it_is_the_forecast_one_frame_ahead(kind):
    network = make(kind)
    inputs, targets = make_batch(num_targets=3, grid=(4, 6))
    fed = network.forward_with_targets(inputs, targets, torch.ones(2, 2, dtype=torch.bool))
    ahead = kind(variables=VARIABLES, num_inputs=4, num_targets=1, **TINY).eval()
    ahead.load_state_dict(network.state_dict())
    seen = torch.cat([inputs, targets[:, :2]], dim=1)
    torch.testing.assert_close(fed[:, -1:], ahead(seen))


@every_kind
def test_truth_may_be_seen_by_one_sample_alone(kind):
    network = make(kind)
    inputs, targets = make_batch(num_targets=3)
    mask = torch.tensor([[True, True], [False, False]])
    mixed = network.forward_with_targets(inputs, targets, mask)
    truth = network.forward_with_targets(inputs, targets, torch.ones_like(mask))
    own = network.forward_with_targets(inputs, targets, torch.zeros_like(mask))
    torch.testing.assert_close(mixed[0], truth[0])
    torch.testing.assert_close(mixed[1], own[1])
    assert not torch.allclose(truth[0, -1], own[0, -1])


@every_kind
def test_the_last_target_is_never_seen(kind):
    network = make(kind)
    inputs, targets = make_batch(num_targets=3)
    other = targets.clone()
    other[:, -1] += 1
    use_truth = torch.ones(2, 2, dtype=torch.bool)
    first, second = (network.forward_with_targets(inputs, t, use_truth) for t in (targets, other))
    assert torch.equal(first, second)


def test_reference_channels_stay_those_of_the_last_input_frame():
    network = ReferenceFrame(
        variables=VARIABLES, forecaster=partial(ConvLSTM, num_inputs=2, num_targets=2, **TINY)
    )
    inner = network.forecaster
    assert inner.channels == (0, 1, 4)
    last_input = torch.arange(6.0)[None, :, None, None].expand(2, 6, 4, 4)
    forecast = -torch.ones(2, 3, 4, 4)
    assert inner._fed_back(last_input, forecast)[0, :, 0, 0].tolist() == [-1, -1, 2, 3, -1, 5]


def test_a_grid_that_does_not_fit_is_padded_by_its_edge():
    network = make(ConvLSTM, patch_size=2)
    inputs, _ = make_batch(grid=(3, 5))
    padded = torch.nn.functional.pad(inputs, (0, 1, 0, 1, 0, 0), mode="replicate")
    torch.testing.assert_close(network(inputs), network(padded)[..., :3, :5])


@every_kind
def test_trace_gives_the_hidden_states_of_the_forecast_steps(kind):
    network = make(kind, variables={"wind": ["a", "b", "c"]}).train()
    before = snapshot(network)
    inputs, _ = make_batch(grid=(4, 6))
    trace = network.trace(inputs)
    assert {name: tuple(x.shape) for name, x in trace.items()} == {
        f"layer.{i}": (2, 1, 3 * 6 * 2 * 3) for i in range(2)
    }
    assert network.training
    assert is_same(before, snapshot(network))
    assert not hasattr(make(kind), "trace")  # of two variables


def test_mau_built_for_a_grid_refuses_another():
    network = make(MAU, grid=[4, 7])
    assert network(make_batch(grid=(4, 7))[0]).shape == (2, 3, 3, 4, 7)
    with pytest.raises(ValueError, match="is 3 x 4 points inside the network; expected 2 x 4"):
        network(make_batch(grid=(6, 8))[0])


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (ConvLSTM, {"hidden_dim": 0}, "hidden_dim is 0; expected at least 1"),
        (ConvLSTM, {"kernel_size": 4}, "kernel_size is 4; expected an odd number"),
        (PredRNN, {"num_layers": 0}, "num_layers is 0; expected at least 1"),
        (PredRNN, {"patch_size": 0}, "patch_size is 0; expected at least 1"),
        (PredRNNpp, {"num_layers": 1}, "num_layers is 1; expected at least 2"),
        (MAU, {"num_scales": -1}, "num_scales is -1; expected at least 0"),
        (MAU, {"kernel_size": 2}, "kernel_size is 2; expected an odd number"),
        (MAU, {"history": 0}, "history is 0; expected at least 1"),
        (MAU, {"grid": [4]}, r"grid is \(4,\); expected two numbers"),
        (MAU, {"grid": [4, 0]}, "longitudes is 0; expected at least 1"),
    ],
)
def test_wrong_settings_are_refused(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        make(kind, **changes)


def test_targets_of_another_number_are_refused():
    inputs, targets = make_batch(num_targets=4)
    with pytest.raises(ValueError, match="4 frames of 3 channels; expected 3 frames"):
        make(ConvLSTM).forward_with_targets(inputs, targets, torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (["a"], "input_variables lacks b"),
        (["b", "a"], "stand in another order among the inputs: b"),
    ],
)
def test_forecast_channels_must_be_seen_in_order(seen, message):
    with pytest.raises(ValueError, match=message):
        forecast_channels({"g": ["a", "b"]}, {"g": seen})


def test_mau_without_a_grid_has_one_normalization_weight_a_channel():
    with torch.device("meta"):
        network = MAU(variables={"t2m": ["t2m"]}, num_inputs=12, num_targets=12)
    assert sum(weight.numel() for weight in network.parameters()) == 3_356_993
