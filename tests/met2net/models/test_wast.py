"""What is particular to WaST; `test_every_baseline.py` has the rest."""

import pytest
import torch

from met2net.models.baselines.wast import WaST, _smooth_and_fine
from met2net.models.blocks.frequency import FrequencyBlock, _ReachingConvolution
from tests.met2net.models.model_builders import VARIABLES, make_batch, randomize

TINY = {"encoder_dim": 3, "num_blocks": (1, 1, 1), "drop_path": 0.1}


def make(*, num_inputs=2, num_targets=2, variables=VARIABLES, **changes):
    torch.manual_seed(0)
    frames = {"num_inputs": num_inputs, "num_targets": num_targets}
    return WaST(variables=variables, **frames, **(TINY | changes))


def test_the_weights_add_up_to_the_published_number():
    with torch.device("meta"):
        network = WaST(variables={"t2m": ["t2m"]}, num_inputs=12, num_targets=12)
    counts = {
        name: sum(w.numel() for w in part.parameters()) for name, part in network.named_children()
    }
    assert counts == {
        "encoder": 27 * 20 + 20 + 40,
        "first": 2 * 1_193_880,
        "inner": 2 * 4_259_760,
        "last": 2 * 1_193_880,
        "down_in": 27 * 20 * 20 + 20 + 40,
        "down_out": 27 * 20 * 40 + 40 + 80,
        "embedding": 27 * 4 * 40 + 40,
        "up_smooth": 27 * 40 * 20 + 20 + 40,
        "up_fine": 27 * 20 * 120 + 120 + 240,
        "join": 9 * 480 * 240 + 240,
        "to_targets": 0,
        "readout": 40 + 27 * 20 + 1,
    }
    assert sum(counts.values()) == 14_457_021


def test_smooth_bands_hold_slow_and_fast_change_of_what_is_smooth_in_space():
    steady = torch.ones(1, 1, 4, 2, 2)
    smooth, fine = _smooth_and_fine(steady)
    torch.testing.assert_close(smooth.flatten(), torch.tensor([8.0, 8.0, 0.0, 0.0]) / 8**0.5)
    assert not fine.any()
    flicker = steady * torch.tensor([1.0, -1, 1, -1])[:, None, None]
    smooth, fine = _smooth_and_fine(flicker)
    torch.testing.assert_close(smooth.flatten(), torch.tensor([0.0, 0.0, 8.0, 8.0]) / 8**0.5)
    assert not fine.any()
    stripes = steady * torch.tensor([1.0, -1.0])  # along longitude
    smooth, fine = _smooth_and_fine(stripes)
    assert not smooth.any()
    assert fine.any()


@pytest.mark.parametrize(("num_inputs", "num_targets"), [(1, 1), (3, 3), (3, 4), (4, 1)])
def test_odd_numbers_of_frames_are_made_even(num_inputs, num_targets):
    network = make(num_inputs=num_inputs, num_targets=num_targets)
    inputs, _ = make_batch(num_inputs=num_inputs, grid=(5, 6))
    assert network(inputs).shape == (2, num_targets, 3, 5, 6)
    even = network.num_frames == num_targets
    assert isinstance(network.to_targets, torch.nn.Identity) == even


def test_the_first_frame_is_the_one_repeated():
    frames = torch.arange(3.0)[None, :, None, None, None].expand(1, 3, 3, 2, 2)
    even = make(num_inputs=3)._even_frames(frames)
    assert even[0, 0, :, 0, 0].tolist() == [0, 0, 1, 2]


def test_drop_path_rises_over_all_blocks():
    network = make(num_blocks=(2, 1, 2), drop_path=0.4)
    blocks = [*network.first, *network.inner, *network.last]
    assert [b.drop_path.rate for b in blocks] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_trace_names_the_layers_in_order():
    network = make(variables={"all": ["a", "b", "c"]}, num_blocks=(1, 2, 1))
    trace = network.trace(make_batch()[0])
    assert list(trace) == ["encoder.0", *(f"translator.{i}" for i in range(4))]
    assert trace["translator.1"].shape == (2, 1, 2 * 3 * 2 * 2 * 3)
    assert not hasattr(make(), "trace")  # of two variables


@pytest.mark.parametrize("grid", [(1, 4), (3, 9), (12, 5)])
def test_taps_left_out_on_small_grids_change_nothing(grid):
    ours = _ReachingConvolution(2, 2, (11, 5), padding=(5, 2), groups=2)
    plain = torch.nn.Conv2d(2, 2, (11, 5), padding=(5, 2), groups=2)
    plain.load_state_dict(ours.state_dict())
    fields = torch.randn(1, 2, *grid, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(fields), plain(fields))


def test_a_block_starts_close_to_passing_its_input_on():
    block = FrequencyBlock(4, mlp_ratio=2, kernel_size=7, drop_path=0.0).eval()
    fields = torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(0))
    assert (block(fields) - fields).abs().max() < 0.1
    assert not torch.equal(randomize(block)(fields), fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_blocks": (1, 1)}, r"num_blocks is \(1, 1\); expected three numbers from 1"),
        ({"num_blocks": (1, 0, 1)}, r"num_blocks is \(1, 0, 1\); expected three"),
        ({"encoder_dim": 0}, "encoder_dim is 0; expected at least 1"),
        ({"drop_path": 1.0}, "drop path rate is 1.0; expected 0 <= rate < 1"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)
