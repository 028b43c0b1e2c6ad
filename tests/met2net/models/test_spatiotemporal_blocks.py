import pytest
import torch

from met2net.models.blocks.channel_norm import ChannelNorm
from met2net.models.blocks.gsta import GstaBlock
from met2net.models.blocks.hornet import RecursiveGatedConvolution
from met2net.models.blocks.incepu import InceptionBlock, IncepU
from met2net.models.blocks.initialization import initialize_by_fan_out, initialize_truncated
from met2net.models.blocks.moganet import MogaNetBlock
from met2net.models.blocks.poolformer import PoolFormerBlock
from met2net.models.blocks.residual import ScaledResidual
from met2net.models.blocks.spatiotemporal import SPATIOTEMPORAL_BLOCKS, spatiotemporal_block
from met2net.models.met2net import Met2Net
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import (
    SIZES,
    VARIABLES,
    is_same,
    make_batch,
    make_met2net,
    randomize,
    snapshot,
)

every_block = pytest.mark.parametrize("name", SPATIOTEMPORAL_BLOCKS)


def make_block(name: str, dim: int = 16, *, drop_path: float = 0.0) -> torch.nn.Module:
    torch.manual_seed(0)
    return spatiotemporal_block(name, dim, mlp_ratio=None, drop_path=drop_path)


def random_fields(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@every_block
@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (9, 5)])
def test_a_block_keeps_its_shape_on_any_grid(name, grid):
    fields = random_fields(2, 16, *grid)
    assert make_block(name).eval()(fields).shape == fields.shape


@every_block
def test_a_block_gives_the_same_in_any_memory_layout(name):
    block = randomize(make_block(name)).eval()
    fields = random_fields(2, 16, 6, 5)
    turned = block(fields.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(block(fields), turned, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [n for n in SPATIOTEMPORAL_BLOCKS if n != "incepu"])
def test_a_block_starts_near_the_identity(name):
    fields = random_fields(2, 16, 6, 6)
    assert (make_block(name).eval()(fields) - fields).abs().mean() < 0.1 * fields.abs().mean()


@every_block
def test_a_dropped_sample_passes_as_it_is(name):
    block = randomize(make_block(name, drop_path=0.999)).train()
    fields = random_fields(4, 16, 4, 4)
    torch.manual_seed(0)
    assert torch.equal(block(fields), fields)


@pytest.mark.parametrize(
    ("name", "quadratic", "linear", "constant"),
    [  # by hand, MLP ratio 8: weights of dim x dim, weights a channel
        ("tau", 3 + 16, 174, 0),
        ("gsta", 4 + 16, 175, 0),
        ("convnext", 16, 62, 0),
        ("hornet", 3 + 21 / 32 + 16, 113.5, 0),
        ("moganet", 4 + 16, 176.75, 1),
        ("poolformer", 16, 15, 0),
    ],
)
def test_a_block_has_as_many_weights_as_counted_by_hand(name, quadratic, linear, constant):
    block = spatiotemporal_block(name, 32, mlp_ratio=8, drop_path=0.0)
    expected = quadratic * 32**2 + linear * 32 + constant
    assert sum(weight.numel() for weight in block.parameters()) == expected


def test_an_inception_block_has_as_many_weights_as_counted_by_hand():
    # 32 -> 16 by 1x1; then 8 groups: 16 * 32 / 8 weights a tap, taps 9 + 25 + 49 + 121; each
    # of four kernels with a bias and a normalization.
    expected = 32 * 16 + 16 + 64 * 204 + 4 * 3 * 32
    assert sum(w.numel() for w in InceptionBlock(32, drop_path=0.0).parameters()) == expected


def test_channel_norm_normalizes_every_point():
    fields = 5 + 3 * random_fields(2, 64, 3, 4)
    normalized = ChannelNorm(64)(fields)
    torch.testing.assert_close(normalized.mean(dim=1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalized.var(dim=1, correction=0), torch.ones(2, 3, 4))


def test_a_scaled_residual_by_hand():
    double = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.constant_(double.weight, 2.0)
    residual = ScaledResidual(1, branch=[double], initial_scale=0.25, drop_path=0.0)
    assert residual(torch.full((1, 1, 1, 1), 4.0)).item() == 4 + 0.25 * 2 * 4


def test_a_closed_gate_of_gsta_lets_only_the_input_pass():
    attention = randomize(GstaBlock(4, mlp_ratio=1, drop_path=0.0)).attention.branch[1]
    with torch.no_grad():
        attention.large_kernel[2].bias[4:] = -1e4
        attention.project_out.bias.zero_()
    fields = random_fields(1, 4, 3, 3)
    torch.testing.assert_close(attention(fields), fields)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_gated_convolution_without_biases_multiplies_order_plus_one_factors(order):
    gate = randomize(RecursiveGatedConvolution(16, order=order)).double()
    with torch.no_grad():
        for part in gate.modules():
            if isinstance(part, torch.nn.Conv2d):
                part.bias.zero_()
    fields = random_fields(1, 16, 5, 5).double()
    torch.testing.assert_close(gate(2 * fields), 2 ** (order + 1) * gate(fields))


def test_widths_of_a_gated_convolution_halve():
    assert RecursiveGatedConvolution(384, order=4).widths == [48, 96, 192, 384]
    assert RecursiveGatedConvolution(2, order=4).widths == [1, 1, 1, 2]
    with pytest.raises(ValueError, match="order is 0; expected at least 1"):
        RecursiveGatedConvolution(16, order=0)


def test_moganet_looks_further_in_one_eighth_three_eighths_and_a_half_of_its_channels():
    surroundings = MogaNetBlock(16, mlp_ratio=1, drop_path=0.0).aggregation.branch[1].surroundings
    assert surroundings.widths == [2, 6, 8]
    randomize(surroundings)
    with torch.no_grad():
        surroundings.mix.weight.copy_(torch.eye(16)[:, :, None, None])
    fields = torch.zeros(1, 16, 31, 31)
    fields[:, :, 15, 15] = 1.0
    changed = (surroundings(fields) - surroundings(torch.zeros_like(fields)))[0].abs() > 1e-9
    reach = [int(channel.any(dim=1).sum()) // 2 for channel in changed]
    # 5x5 reaches 2 points; at dilation 2 four more; 7x7 at dilation 3 nine more.
    assert reach == [2] * 2 + [6] * 6 + [11] * 8


def test_moganet_refuses_widths_that_cannot_be_split():
    with pytest.raises(ValueError, match="width is 2; expected at least 3 channels"):
        MogaNetBlock(2, mlp_ratio=1, drop_path=0.0)


def test_pooling_by_hand_leaves_out_points_beyond_the_grid():
    pooling = PoolFormerBlock(1, mlp_ratio=1, drop_path=0.0).pooling.branch[1]
    found = pooling(torch.tensor([[[[1.0, 2.0, 6.0]]]]))
    assert found.flatten().tolist() == [1.5 - 1, 3 - 2, 4 - 6]


def test_the_second_chain_of_incepu_sees_the_first_one_backwards():
    network = IncepU(6, 10, latent_dim=4, num_blocks=3)
    seen = {}
    for i, layer in enumerate(network.decoder):
        layer.register_forward_pre_hook(lambda _, args, i=i: seen.update({i: args[0]}))
    outputs = network.layer_outputs(random_fields(1, 6, 4, 4))
    assert len(outputs) == 6
    assert torch.equal(seen[0], outputs[2])
    for i in (1, 2):
        assert torch.equal(seen[i], torch.cat([outputs[2 + i], outputs[2 - i]], dim=1))
    assert outputs[-1].shape == (1, 10, 4, 4)


def test_groups_of_incepu_divide_both_widths():
    widths = [(128, 256, 8), (8, 12, 4), (2, 5, 1)]  # hidden, out, groups
    for hidden, out, groups in widths:
        network = IncepU(4, out, latent_dim=2 * hidden, num_blocks=2)
        assert network.decoder[1].branches[0][0].groups == groups


def test_initial_weights_have_the_stated_spread():
    wide = torch.nn.Conv2d(64, 64, 3)
    initialize_by_fan_out(wide)
    assert wide.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.03)
    assert not wide.bias.any()
    initialize_truncated(wide)
    assert wide.weight.std().item() == pytest.approx(0.02, rel=0.03)


@pytest.mark.parametrize(
    ("name", "ratio", "message"),
    [
        ("mlp", None, "spatiotemporal_block is 'mlp'; expected one of tau, gsta, convnext"),
        ("tau", 0, "mlp_ratio is 0; expected at least 1"),
        ("incepu", 4, "mlp_ratio is 4; expected none: incepu has no MLP"),
    ],
)
def test_wrong_blocks_are_refused(name, ratio, message):
    with pytest.raises(ValueError, match=message):
        make_met2net(spatiotemporal_block=name, mlp_ratio=ratio)


def test_met2net_takes_tau_blocks_of_ratio_4_where_nothing_is_said():
    chosen = make_met2net(spatiotemporal_block="tau", mlp_ratio=4)
    assert is_same(snapshot(make_met2net()), snapshot(chosen))


@every_block
def test_every_block_works_in_met2net_and_all_its_weights_learn_in_two_stages(name):
    torch.manual_seed(0)
    network = Met2Net(
        variables=VARIABLES, num_inputs=2, num_targets=3, num_heads=2,
        spatiotemporal_block=name, drop_path=0.0, **SIZES,
    )  # fmt: skip
    randomize(network)
    inputs, targets = make_batch(num_targets=3, grid=(8, 12))
    assert network(inputs).shape == targets.shape
    objective = TwoStage()
    objective.prepare(network)
    objective.train()
    objective(network, inputs, targets)["loss"].backward()
    dead = [
        key for key, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]  # fmt: skip
    assert dead == []
