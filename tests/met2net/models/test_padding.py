import pytest
import torch
from torch import nn

from met2net.models.blocks.spatiotemporal import SPATIOTEMPORAL_BLOCKS
from met2net.models.padding import close_circle, pad_to_multiple
from tests.met2net.models.baseline_catalogue import BASELINES, make_tiny
from tests.met2net.models.model_builders import is_same, make_batch, make_met2net, randomize


def test_padding_by_hand():
    fields = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert pad_to_multiple(fields, 2).tolist() == [[[[1, 2, 3, 3], [1, 2, 3, 3]]]]
    periodic = pad_to_multiple(fields, 2, periodic_longitude=True)
    assert periodic.tolist() == [[[[1, 2, 3, 1], [1, 2, 3, 1]]]]
    fitting = torch.ones(1, 1, 4, 2)
    assert pad_to_multiple(fitting, 2) is fitting


def test_a_closed_circle_by_hand():
    convolution = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0, 1, 0] = 1.0  # gives the western neighbour
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert convolution(row).tolist() == [[[[0, 1, 2]]]]
    close_circle(convolution)
    assert convolution(row).tolist() == [[[[3, 1, 2]]]]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_circle_closes_alike_in_both_orders_of_memory(width):
    convolution = nn.Conv2d(3, 3, (1, 2 * width + 1), padding=(0, width), groups=3).double()
    close_circle(convolution)
    plain = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    last = plain.detach().to(memory_format=torch.channels_last).requires_grad_()
    outputs = [convolution(fields) for fields in (plain, last)]
    torch.testing.assert_close(*outputs)
    outer = torch.randn_like(outputs[0])
    for output in outputs:
        output.backward(outer)
    torch.testing.assert_close(plain.grad, last.grad)
    assert last.grad.is_contiguous(memory_format=torch.channels_last)


def closed_last(width):
    """The sum of cubes of a circle that is closed with channels last in memory."""
    convolution = nn.Conv2d(3, 3, (1, 2 * width + 1), padding=(0, width), groups=3).double()
    close_circle(convolution)

    def run(fields):
        return convolution(fields.to(memory_format=torch.channels_last)).pow(3).sum()

    return run


@pytest.mark.parametrize("width", [1, 4])
def test_a_circle_with_channels_last_can_be_differentiated_twice(width):
    fields = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(closed_last(width), fields)


def test_a_circle_with_channels_last_is_open_to_function_transforms():
    fields = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    run = closed_last(2)
    run(fields).backward()
    torch.testing.assert_close(torch.func.grad(run)(fields.detach()), fields.grad)


def test_a_circle_closes_alike_for_many_fields_at_once():
    convolution = nn.Conv2d(3, 3, (1, 3), padding=(0, 1)).double()
    close_circle(convolution)
    many = torch.randn(5, 2, 3, 2, 4, dtype=torch.float64)
    expected = torch.stack([convolution(fields) for fields in many])
    torch.testing.assert_close(torch.func.vmap(convolution)(many), expected)


def test_a_transposed_convolution_goes_round_by_hand():
    # Doubles the row: a point gives itself to its own place and to the one before it.
    part = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)
    with torch.no_grad():
        part.weight.zero_()
        part.weight[0, 0, 1, :2] = torch.tensor([10.0, 1.0])
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert part(row)[0, 0, 0].tolist() == [1, 20, 2, 30, 3, 0]
    close_circle(part)
    assert part(row)[0, 0, 0].tolist() == [1, 20, 2, 30, 3, 10]


def test_a_convolution_in_time_and_space_goes_round_in_longitude_alone():
    part = nn.Conv3d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        part.weight.fill_(1.0)
    close_circle(part)
    fields = torch.ones(1, 1, 1, 1, 4)
    assert part(fields)[0, 0, 0, 0].tolist() == [3, 3, 3, 3]


def test_a_kernel_may_go_round_more_than_once():
    wide = nn.Conv2d(1, 1, (1, 9), padding=(0, 4), bias=False)
    with torch.no_grad():
        wide.weight.fill_(1.0)
    close_circle(wide)
    # Four whole circles of 1 + 2, and one more of the point itself.
    assert wide(torch.tensor([[[[1.0, 2.0]]]])).tolist() == [[[[13, 14]]]]


@pytest.mark.parametrize("block", SPATIOTEMPORAL_BLOCKS)
def test_on_a_closed_circle_forecasts_turn_with_the_globe(block):
    network = make_met2net(spatiotemporal_block=block, latent_dim=16, periodic_longitude=True)
    network = randomize(network).double().eval()
    inputs = make_batch(grid=(6, 24))[0].double()  # latents go 12 points round
    turned = network(inputs.roll(10, dims=-1))  # a multiple of the down-sampling factor
    torch.testing.assert_close(turned, network(inputs).roll(10, dims=-1), rtol=1e-9, atol=1e-9)
    open_network = make_met2net(spatiotemporal_block=block, latent_dim=16)
    open_network = randomize(open_network).double().eval()
    assert is_same(network.state_dict(), open_network.state_dict())  # the same weights fit
    there, back = open_network(inputs.roll(10, dims=-1)), open_network(inputs)
    assert not torch.allclose(there, back.roll(10, dims=-1))


@pytest.mark.parametrize("name", BASELINES)
def test_forecasts_of_a_baseline_turn_with_the_globe(name):
    inputs = make_batch(grid=(4, 16))[0].double()
    forecasts = {}
    for is_closed in (True, False):
        network = randomize(make_tiny(name, periodic_longitude=is_closed)).double().eval()
        turned = network(inputs.roll(4, dims=-1)).roll(-4, dims=-1)
        forecasts[is_closed] = network(inputs), turned
    torch.testing.assert_close(*forecasts[True], rtol=1e-9, atol=1e-9)
    assert not torch.allclose(*forecasts[False])


@pytest.mark.parametrize("name", BASELINES)
def test_a_closed_circle_changes_no_weight_of_a_baseline_and_nothing_on_a_region(name):
    closed, open_ = make_tiny(name, periodic_longitude=True), make_tiny(name)
    assert is_same(closed.state_dict(), open_.state_dict())
    inputs = make_batch(grid=(4, 16))[0]
    told = make_tiny(name, periodic_longitude=False)
    assert torch.equal(told.eval()(inputs), open_.eval()(inputs))
