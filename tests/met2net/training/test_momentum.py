import pytest
import torch
from torch import nn

from met2net.training.momentum import copy_weights, momentum_copy, update_momentum


def make_layer(value: float) -> nn.BatchNorm1d:
    layer = nn.BatchNorm1d(2)
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            tensor.fill_(value)
    layer.num_batches_tracked.fill_(int(value))
    return layer


def test_weights_and_float_buffers_are_averaged_and_counters_copied_by_hand():
    target, online = make_layer(1.0), make_layer(5.0)
    update_momentum(target, online, momentum=0.75)
    for tensor in (target.weight, target.bias, target.running_mean, target.running_var):
        assert tensor.tolist() == [2.0, 2.0]
    assert int(target.num_batches_tracked) == 5
    assert online.weight.tolist() == [5.0, 5.0]


def test_many_updates_follow_the_closed_form():
    target, online = make_layer(1.0), make_layer(3.0)
    for _ in range(10):
        update_momentum(target, online, momentum=0.9)
    # The distance shrinks by the momentum at each step; ten float32 roundings.
    expected = 3.0 + 0.9**10 * (1.0 - 3.0)
    assert target.weight.tolist() == pytest.approx([expected] * 2, rel=1e-6)


def test_momentum_zero_is_a_copy_and_one_stands_still():
    target, online = make_layer(0.1), make_layer(0.7)
    update_momentum(target, online, momentum=1.0)
    assert torch.equal(target.weight, make_layer(0.1).weight)
    update_momentum(target, online, momentum=0.0)
    assert torch.equal(target.weight, online.weight)


def test_copy_weights_copies_everything():
    target, online = make_layer(1.0), make_layer(5.0)
    copy_weights(target, online)
    assert all(torch.equal(target.state_dict()[k], v) for k, v in online.state_dict().items())
    assert target.weight is not online.weight


def test_a_momentum_copy_has_no_gradients_and_keeps_its_statistics_in_training():
    online = make_layer(1.0).train()
    target = momentum_copy(online)
    assert not any(weight.requires_grad for weight in target.parameters())
    assert all(weight.requires_grad for weight in online.parameters())
    batch = torch.randn(8, 2)
    torch.testing.assert_close(target(batch), online(batch))  # both with batch statistics
    assert target.running_mean.tolist() == [1.0, 1.0]
    assert online.running_mean.tolist() != [1.0, 1.0]


@pytest.mark.parametrize("momentum", [-0.1, 1.1])
def test_a_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match="expected 0 <= momentum <= 1"):
        update_momentum(make_layer(1.0), make_layer(1.0), momentum=momentum)


def test_networks_that_differ_are_refused():
    with pytest.raises(ValueError, match="networks differ in bias, .*weight; expected equal"):
        update_momentum(nn.BatchNorm1d(2), nn.BatchNorm1d(3), momentum=0.5)
    with pytest.raises(ValueError, match="networks differ in"):
        copy_weights(nn.BatchNorm1d(2), nn.BatchNorm1d(3))
