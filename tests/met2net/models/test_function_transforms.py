"""Every network by `torch.func`, and differentiated twice, against plain loops and differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from met2net.models.blocks.spatiotemporal import SPATIOTEMPORAL_BLOCKS
from met2net.training.repeated_blocks import recompute_activations
from tests.met2net.models.baseline_catalogue import BASELINES, make_tiny
from tests.met2net.models.model_builders import make_met2net, randomize

NAMES = [*BASELINES, *(f"met2net of {block}" for block in SPATIOTEMPORAL_BLOCKS)]
SHAPE = (2, 2, 3, 8, 8)
# What PyTorch itself does where a derivative is taken forward for the first time.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
)
every_network = pytest.mark.parametrize("name", NAMES)


def make(name: str) -> nn.Module:
    """Build a network round the globe, with weights that matter, in float64."""
    if name in BASELINES:
        network = make_tiny(name, periodic_longitude=True)
    else:
        network = make_met2net(
            spatiotemporal_block=name.removeprefix("met2net of "), periodic_longitude=True,
            latent_dim=16, num_blocks=1,
        )  # fmt: skip
    return randomize(network).double().eval().requires_grad_(False)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Give a function of the inputs alone: a squared error, whose second derivatives matter."""
    targets = draw(*SHAPE, seed=2)
    return lambda inputs: (network(inputs) - targets).square().mean()


def gradient(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Go backward, plainly."""
    inputs = inputs.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(function(inputs), inputs)
    return found


@every_network
def test_forward_and_backward_derivatives_are_transposed(name: str) -> None:
    network = make(name)
    inputs, tangent, cotangent = (draw(*SHAPE, seed=seed) for seed in range(3))
    forecast, change = torch.func.jvp(network, (inputs,), (tangent,))
    torch.testing.assert_close(forecast, network(inputs))
    back = gradient(lambda x: (network(x) * cotangent).sum(), inputs)
    torch.testing.assert_close((cotangent * change).sum(), (back * tangent).sum())
    assert change.norm() > 0
    forecast, pull = torch.func.vjp(network, inputs)
    torch.testing.assert_close(pull(cotangent)[0], back)


@every_network
def test_second_derivatives_are_differences_of_first_ones(name: str) -> None:
    network = make(name)
    error = error_of(network)
    inputs, tangent = draw(*SHAPE, seed=0), draw(*SHAPE, seed=1)
    step = 1e-6
    expected = gradient(error, inputs + step * tangent) - gradient(error, inputs - step * tangent)
    expected = expected / (2 * step)
    _, twice_back = torch.autograd.functional.hvp(error, inputs, tangent)
    _, forward_over_back = torch.func.jvp(torch.func.grad(error), (inputs,), (tangent,))
    assert expected.norm() > 0
    assert (twice_back - expected).norm() <= 1e-6 * expected.norm()
    assert (forward_over_back - twice_back).norm() <= 1e-9 * expected.norm()


@every_network
def test_many_inputs_at_once_are_one_after_the_other(name: str) -> None:
    network = make(name)
    error = error_of(network)
    many = draw(3, *SHAPE, seed=0)
    expected = torch.stack([network(inputs) for inputs in many])
    torch.testing.assert_close(torch.func.vmap(network)(many), expected)
    expected = torch.stack([gradient(error, inputs) for inputs in many])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(error))(many), expected)


def test_gradients_of_every_sample_are_those_of_it_alone() -> None:
    network = make("met2net of tau").requires_grad_(True)
    recompute_activations(network)
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    inputs, targets = draw(*SHAPE, seed=0), draw(*SHAPE, seed=2)

    def error(own: dict[str, Tensor], given: Tensor, aim: Tensor) -> Tensor:
        forecast = torch.func.functional_call(network, own, (given[None],))
        return (forecast[0] - aim).square().mean()

    found = torch.func.vmap(torch.func.grad(error), in_dims=(None, 0, 0))(weights, inputs, targets)
    for i in range(len(inputs)):
        network.zero_grad()
        (network(inputs[i : i + 1])[0] - targets[i]).square().mean().backward()
        for name, weight in network.named_parameters():
            torch.testing.assert_close(found[name][i], weight.grad)
