import copy

import pytest
import torch

from met2net.models.met2net import Met2Net
from tests.met2net.models.model_builders import (
    VARIABLES,
    is_same,
    make_batch,
    make_met2net,
    randomize,
    snapshot,
)


@pytest.mark.parametrize("num_targets", [1, 2, 5])
def test_any_number_of_target_frames(num_targets):
    inputs, _ = make_batch()
    assert make_met2net(num_targets=num_targets)(inputs).shape == (2, num_targets, 3, 4, 6)


@pytest.mark.parametrize(
    ("num_scales", "grid"), [(1, (3, 3)), (2, (5, 7)), (4, (5, 7)), (3, (4, 5))]
)
def test_grids_that_are_no_multiples_of_the_factor(num_scales, grid):
    inputs, _ = make_batch(grid=grid)
    assert make_met2net(num_scales=num_scales)(inputs).shape[-2:] == grid


def test_padding_repeats_the_last_row_and_column():
    network = randomize(make_met2net()).eval()
    inputs, _ = make_batch(grid=(3, 5))
    padded = torch.cat([inputs, inputs[..., -1:, :]], dim=-2)
    padded = torch.cat([padded, padded[..., -1:]], dim=-1)
    torch.testing.assert_close(network(inputs), network(padded)[..., :3, :5])


def test_without_down_sampling_latents_keep_the_grid():
    network = make_met2net(down_sampling=False)
    inputs, _ = make_batch(grid=(3, 5))
    assert network.encoders(inputs).shape == (2, 2, 2 * 4, 3, 5)
    assert network(inputs).shape == (2, 2, 3, 3, 5)


def test_down_sampling_halves_the_grid_at_every_second_layer():
    inputs, _ = make_batch(grid=(8, 12))
    shapes = [x.shape[-2:] for x in make_met2net(num_scales=4).encoders.layer_outputs(inputs)]
    assert shapes == [(8, 12), (4, 6), (4, 6), (2, 3)]


def test_frames_are_encoded_apart():
    encoders = randomize(make_met2net()).encoders
    inputs, _ = make_batch()
    both = encoders(inputs)
    torch.testing.assert_close(both[:, :, :4], encoders(inputs[:, :1]))
    torch.testing.assert_close(both[:, :, 4:], encoders(inputs[:, 1:]))


def test_encoders_see_only_their_own_variable():
    encoders = randomize(make_met2net()).encoders
    inputs, _ = make_batch()
    changed = inputs.clone()
    changed[:, :, 2] += 1.0  # t2m
    assert torch.equal(encoders(inputs)[:, 0], encoders(changed)[:, 0])
    assert not torch.equal(encoders(inputs)[:, 1], encoders(changed)[:, 1])


def test_attention_lets_one_variable_change_the_forecast_of_another():
    network = randomize(make_met2net()).eval()
    inputs, _ = make_batch()
    changed = inputs.clone()
    changed[:, :, 2] += torch.arange(6.0)  # t2m
    assert not torch.equal(network(inputs)[:, :, :2], network(changed)[:, :, :2])


def test_translator_treats_variables_alike():
    translator = randomize(make_met2net()).translator.eval()
    latent = torch.randn(2, 3, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    order = [2, 0, 1]
    torch.testing.assert_close(translator(latent[:, order]), translator(latent)[:, order])


def test_blocks_start_as_copies_of_one_but_are_their_own():
    blocks = make_met2net().translator.blocks
    assert is_same(blocks[0].state_dict(), blocks[1].state_dict())
    with torch.no_grad():
        blocks[0].attention_norm.weight.zero_()
    assert not is_same(blocks[0].state_dict(), blocks[1].state_dict())


def test_evaluation_repeats_itself_and_changes_nothing():
    network = make_met2net().eval()
    before = snapshot(network)
    inputs, _ = make_batch()
    assert torch.equal(network(inputs), network(inputs))
    assert is_same(before, snapshot(network))


def test_samples_of_a_batch_do_not_touch_each_other_in_evaluation():
    network = randomize(make_met2net()).eval()
    inputs, _ = make_batch(batch=3)
    torch.testing.assert_close(network(inputs)[1:2], network(inputs[1:2]))


def test_attention_rows_sum_to_one():
    network = randomize(make_met2net())
    maps = network.attention_maps(make_batch()[0])
    assert maps.shape == (2, 2, 2, 2, 2)
    torch.testing.assert_close(maps.sum(dim=-1), torch.ones(2, 2, 2, 2))
    assert maps.std() > 0


def test_trace_names_every_layer_and_ends_at_the_forecast():
    network = randomize(make_met2net())
    inputs, _ = make_batch()
    trace = network.trace(inputs)
    assert list(trace) == [
        f"{part}.{i}" for part in ("encoder", "translator", "decoder") for i in (0, 1)
    ]
    assert trace["encoder.0"].shape == (2, 2, 2 * 4 * 4 * 6)
    assert trace["encoder.1"].shape == (2, 2, 2 * 4 * 2 * 3)
    assert trace["translator.1"].shape == (2, 2, 8 * 2 * 3)
    assert trace["decoder.1"].shape == (2, 2, 2 * 4 * 4 * 6)
    network.eval()
    latent = network.encoders(inputs)
    torch.testing.assert_close(trace["encoder.1"], latent.flatten(start_dim=2))
    last = trace["decoder.1"].unflatten(-1, (2, 4, 4, 6))[:, 1].flatten(end_dim=1)
    forecast = network.decoders.variables[1][-1](last).unflatten(0, (2, 2))
    torch.testing.assert_close(forecast, network(inputs)[:, :, 2:])


@pytest.mark.parametrize("method", ["trace", "attention_maps"])
def test_analyses_leave_weights_buffers_and_modes_as_they_are(method):
    network = make_met2net().train()
    network.decoders.eval()
    before, modes = snapshot(network), [part.training for part in network.modules()]
    getattr(network, method)(make_batch()[0])
    assert is_same(before, snapshot(network))
    assert [part.training for part in network.modules()] == modes


def test_input_variables_give_encoders_more_channels_than_decoders():
    more = {"uv10": ["u10", "v10", "u_ref", "v_ref"], "t2m": ["t2m", "t_ref"]}
    network = make_met2net(input_variables=more)
    inputs, _ = make_batch(channels=6)
    assert network(inputs).shape[2] == 3


def test_weights_start_small_and_biases_at_zero():
    network = make_met2net(spatial_dim=32)
    convolution = network.encoders.variables[0][1].convolution
    assert convolution.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not convolution.bias.any()
    assert torch.all(network.translator.blocks[0].space_time.gate_scale == 0.01)


def test_a_copy_forecasts_the_same():
    network = make_met2net().eval()
    inputs, _ = make_batch()
    assert torch.equal(copy.deepcopy(network)(inputs), network(inputs))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spatial_dim": 3}, "layer width is 3; expected a positive even number"),
        ({"num_heads": 3}, "num_heads is 3; expected a divisor of latent_dim, 8"),
        ({"num_blocks": 0}, "num_blocks is 0; expected at least 1"),
        ({"num_scales": 0}, "num_scales is 0; expected at least 1"),
        ({"space_time_identities": 3}, "space_time_identities is 3; expected 1 or 2"),
        ({"drop_path": 1.0}, "drop path rate is 1.0"),
        ({"variables": {}}, "no variables"),
        ({"variables": {"t2m": "t2m"}}, "variable 't2m' is 't2m'; expected a list"),
        ({"variables": {"t2m": []}}, r"variable 't2m' is \[\]; expected a list"),
        ({"variables": {"a": ["t2m"], "b": ["t2m"]}}, "channel 't2m' occurs twice"),
        ({"input_variables": {"t2m": ["t2m"]}}, "groups t2m; expected uv10, t2m"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_met2net(**changes)


def test_wrong_inputs_are_refused():
    inputs, _ = make_batch(channels=4)
    with pytest.raises(ValueError, match="2 frames of 4 channels; expected 2 frames of 3 channels"):
        make_met2net()(inputs)


def test_arguments_are_given_by_name():
    with pytest.raises(TypeError):
        Met2Net(VARIABLES, 2, 2)
