from functools import partial

import pytest
import torch

from met2net.models.baselines.metaformer import TAU
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.met2net import Met2Net
from tests.met2net.models.model_builders import (
    SIZES,
    VARIABLES,
    is_same,
    make_batch,
    make_met2net,
    randomize,
    snapshot,
)


def make_tau(*, num_targets: int = 2, variables=VARIABLES, **changes) -> TAU:
    torch.manual_seed(0)
    settings = {**SIZES, **changes}
    return TAU(variables=variables, num_inputs=2, num_targets=num_targets, **settings)


def make_per_variable(kind=TAU) -> PerVariable:
    torch.manual_seed(0)
    inner = partial(kind, num_inputs=2, num_targets=2, **SIZES)
    return PerVariable(variables=VARIABLES, forecaster=inner)


@pytest.mark.parametrize("num_targets", [1, 2, 5])
@pytest.mark.parametrize("down_sampling", [True, False])
def test_tau_gives_any_number_of_frames_on_any_grid(num_targets, down_sampling):
    inputs, _ = make_batch(grid=(5, 7))
    network = make_tau(num_targets=num_targets, down_sampling=down_sampling)
    assert network(inputs).shape == (2, num_targets, 3, 5, 7)


@pytest.mark.parametrize(("num_targets", "expected"), [(1, [2]), (2, [1, 2]), (4, [1, 2, 2, 2])])
def test_tau_skip_takes_the_last_input_frames(num_targets, expected):
    first = torch.tensor([1.0, 2.0])[:, None, None, None]  # one sample, two input frames
    skip = make_tau(num_targets=num_targets)._skip(first)
    assert skip.flatten().tolist() == expected


def test_tau_drop_path_rises_with_depth():
    rates = [block[0].drop_path.rate for block in make_tau(num_blocks=3, drop_path=0.11).blocks]
    assert rates == pytest.approx([0.01, 0.06, 0.11])
    assert [block[0].drop_path.rate for block in make_tau(drop_path=0.0).blocks] == [0.0, 0.0]


def test_tau_evaluation_repeats_itself_and_changes_nothing():
    network = randomize(make_tau()).eval()
    before = snapshot(network)
    inputs, _ = make_batch()
    assert torch.equal(network(inputs), network(inputs))
    assert is_same(before, snapshot(network))


def test_tau_of_several_variables_has_no_trace():
    assert not hasattr(make_tau(), "trace")
    trace = make_tau(variables={"all": ["a", "b", "c"]}).trace(make_batch()[0])
    assert list(trace) == [
        f"{part}.{i}" for part in ("encoder", "translator", "decoder") for i in (0, 1)
    ]
    assert trace["encoder.0"].shape == (2, 1, 2 * 4 * 4 * 6)
    assert trace["translator.0"].shape == (2, 1, 8 * 2 * 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_blocks": 1}, "num_blocks is 1; expected at least 2"),
        ({"latent_dim": 0}, "latent_dim is 0; expected at least 1"),
    ],
)
def test_tau_refuses_wrong_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        make_tau(**changes)


def test_tau_refuses_wrong_inputs():
    with pytest.raises(ValueError, match="3 frames of 3 channels; expected 2 frames"):
        make_tau()(make_batch(num_inputs=3)[0])


def test_per_variable_forecasts_are_independent():
    network = randomize(make_per_variable()).eval()
    inputs, _ = make_batch()
    changed = inputs.clone()
    changed[:, :, 2] += torch.arange(6.0)
    first, second = network(inputs), network(changed)
    assert first.shape == (2, 2, 3, 4, 6)
    assert torch.equal(first[:, :, :2], second[:, :, :2])
    assert not torch.equal(first[:, :, 2], second[:, :, 2])
    torch.testing.assert_close(first[:, :, 2:], network.forecasters[1](inputs[:, :, 2:]))


def test_per_variable_trace_lays_variables_side_by_side():
    network = make_per_variable()
    inputs, _ = make_batch()
    trace = network.trace(inputs)
    alone = network.forecasters[1].trace(inputs[:, :, 2:])
    assert trace["encoder.1"].shape[:2] == (2, 2)
    assert torch.equal(trace["translator.1"][:, 1], alone["translator.1"][:, 0])


def test_per_variable_of_met2net_has_a_trace():
    trace = make_per_variable(partial(Met2Net, num_heads=2)).trace(make_batch()[0])
    assert trace["decoder.0"].shape[1] == 2


def test_per_variable_has_a_trace_only_where_its_forecasters_have():
    inner = lambda **_: torch.nn.Identity()  # noqa: E731
    assert not hasattr(PerVariable(variables=VARIABLES, forecaster=inner), "trace")


def test_per_variable_refuses_wrong_inputs():
    with pytest.raises(ValueError, match="inputs have 4 channels; expected 3"):
        make_per_variable()(make_batch(channels=4)[0])


def test_met2net_and_per_variable_networks_agree_on_channels():
    inputs, _ = make_batch()
    assert make_met2net()(inputs).shape == make_per_variable()(inputs).shape
