"""Networks that correct a linear forecast: zero is that forecast, and no future is seen."""

from functools import partial

import pytest
import torch
from torch import nn

from met2net.models.baselines.metaformer import TAU
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.build import build
from met2net.models.linear_forecast import LinearForecast, LinearForm
from met2net.models.linear_reference import LinearReference
from met2net.models.met2net import Met2Net
from met2net.models.wrapper import innermost, needs_init_time, run_network
from met2net.training.objective import EndToEnd
from met2net.training.problem import learning_problem
from met2net.training.two_stage import TwoStage
from tests.met2net.models.baseline_catalogue import BASELINES, tiny_settings
from tests.met2net.models.model_builders import VARIABLES, randomize

SIZES = {
    "spatial_dim": 4, "latent_dim": 8, "num_blocks": 2, "num_scales": 2, "drop_path": 0.0
}  # fmt: skip
MET2NET = partial(Met2Net, num_heads=2, **SIZES)


class Zeros(nn.Module):
    """Give no correction, and keep what it saw."""

    def __init__(self, *, variables, input_variables, num_targets):
        super().__init__()
        self.num_targets, self.input_variables = num_targets, input_variables
        self.channels = sum(len(labels) for labels in variables.values())

    def forward(self, inputs):
        self.seen = inputs
        return torch.zeros(len(inputs), self.num_targets, self.channels, *inputs.shape[-2:])


def linear_arguments(*, num_inputs=2, num_targets=3, grid=(4, 6), is_global=False, stencil=3):
    return {
        "num_channels": 3, "grid_shape": list(grid), "frames": list(range(num_inputs)),
        "input_hours": list(range(-6 * (num_inputs - 1), 1, 6)),
        "target_hours": list(range(6, 6 * num_targets + 1, 6)), "stencil": stencil,
        "num_bands": 1 if stencil is None else 2, "num_hours": 4, "periodic_longitude": is_global,
    }  # fmt: skip


def make_linear(**changes) -> LinearForecast:
    torch.manual_seed(3)
    linear = LinearForecast(**linear_arguments(**changes))
    linear.weights.normal_(std=0.1)
    linear.climatology.terms.normal_()
    return linear


def make_network(forecaster, **changes) -> LinearReference:
    network = LinearReference(
        variables=VARIABLES, linear=linear_arguments(**changes), forecaster=forecaster
    )
    residual = torch.rand(len(network.residual), 3) + 0.5
    network.set_linear(make_linear(**changes), scale=torch.tensor([0.5, 0.25, 2.0]),
                       residual=residual)  # fmt: skip
    return network


def make_batch(*, num_inputs=2, num_targets=3, grid=(4, 6)):
    torch.manual_seed(0)
    inputs, targets = (torch.randn(2, n, 3, *grid) for n in (num_inputs, num_targets))
    return inputs, targets, torch.tensor([0, 30])


@pytest.mark.parametrize("is_global", [False, True])
@pytest.mark.parametrize("stencil", [None, 3, 5])
@pytest.mark.parametrize(("num_inputs", "num_targets"), [(2, 2), (2, 5), (4, 3), (1, 1)])
def test_no_correction_is_the_linear_forecast(num_inputs, num_targets, stencil, is_global):
    frames = {"num_inputs": num_inputs, "num_targets": num_targets}
    changes = {**frames, "stencil": stencil, "is_global": is_global}
    network = make_network(partial(Zeros, num_targets=num_targets), **changes)
    inputs, _, init_time = make_batch(**frames)
    expected = make_linear(**changes)(inputs, init_time)
    torch.testing.assert_close(network(inputs, init_time), expected, atol=1e-6, rtol=0)


def test_a_linear_forecast_by_hand():
    """One frame, a square of three points, two bands: weights pick the western neighbour."""
    linear = LinearForecast(
        num_channels=1, grid_shape=(2, 3), input_hours=(0,), target_hours=(6,), frames=(0,),
        stencil=3, num_bands=2, num_hours=1,
    )  # fmt: skip
    linear.climatology.terms.fill_(10.0)
    linear.weights[0, 3] = 0.5  # of rows, then columns of the square: the western point
    linear.weights[1, 4] = 2.0  # the point itself
    inputs = torch.tensor([[11.0, 12.0, 13.0], [9.0, 10.0, 12.0]])[None, None, None]
    found = linear(inputs, torch.tensor([0]))
    assert found.flatten().tolist() == [10.0, 10.5, 11.0, 8.0, 10.0, 14.0]
    closed = LinearForecast(
        num_channels=1, grid_shape=(2, 3), input_hours=(0,), target_hours=(6,), frames=(0,),
        stencil=3, num_bands=2, num_hours=1, periodic_longitude=True,
    )  # fmt: skip
    closed.load_state_dict(linear.state_dict())
    assert closed(inputs, torch.tensor([0])).flatten().tolist() == [
        11.5,
        10.5,
        11.0,
        8.0,
        10.0,
        14.0,
    ]


def test_the_network_sees_differences_last_frame_and_linear_forecast():
    network = make_network(partial(Zeros, num_targets=3))  # T = 2, T' = 3
    inputs, _, init_time = make_batch()
    network(inputs, init_time)
    linear, last = network.linear(inputs, init_time), inputs[:, -1]
    scale = network.scale[:, None, None]
    seen = network.forecaster.seen
    assert [len(labels) for labels in network.forecaster.input_variables.values()] == [8, 4]
    ahead = [(linear[:, lead] - last) / scale for lead in range(3)]
    differences = (inputs[:, 0] - last) / scale
    # Frame 0 has lead times 0 and 2; frame 1 has 1 and, where there is no 3, the last.
    expected = [differences[:, :2], last[:, :2], ahead[0][:, :1], ahead[2][:, :1],
                ahead[0][:, 1:2], ahead[2][:, 1:2],
                differences[:, 2:], last[:, 2:], ahead[0][:, 2:], ahead[2][:, 2:]]  # fmt: skip
    torch.testing.assert_close(seen[:, 0], torch.cat(expected, dim=1))
    torch.testing.assert_close(seen[:, 1, 4], ahead[1][:, 0])
    torch.testing.assert_close(seen[:, 1, 5], ahead[2][:, 0])


@pytest.mark.parametrize(
    ("inner", "objective"),
    [
        (MET2NET, EndToEnd()),
        (MET2NET, TwoStage(translator_momentum=0.9)),
        (partial(TAU, **SIZES), EndToEnd(differential_divergence_weight=0.1)),
        (partial(PerVariable, forecaster=partial(TAU, num_inputs=2, num_targets=3, **SIZES)),
         EndToEnd()),
    ],
)  # fmt: skip
def test_any_network_and_objective_learns_the_corrections(inner, objective):
    if not isinstance(inner.func, type) or inner.func is not PerVariable:
        inner = partial(inner, num_inputs=2, num_targets=3)
    network = make_network(inner)
    objective.prepare(network)
    inputs, targets, init_time = make_batch()
    loss = objective(network, inputs, targets, init_time)["loss"]
    loss.backward()
    assert all(weight.grad is not None for weight in network.forecaster.parameters())
    assert not any(weight.requires_grad for weight in network.linear.buffers())
    problem = learning_problem(network, inputs=inputs, targets=targets, init_time=init_time)
    assert problem.network is innermost(network)
    # What the network has to give, put back together, is the truth.
    back = network.linear(inputs, init_time) + problem.targets * network.residual[..., None, None]
    torch.testing.assert_close(back, targets)


@pytest.mark.parametrize("inner", [partial(Zeros, num_targets=3), partial(TAU, **SIZES)])
def test_lead_times_count_in_the_loss_as_they_do_in_the_score(inner):
    if inner.func is TAU:
        inner = partial(inner, num_inputs=2, num_targets=3)
    network = make_network(inner)
    inputs, targets, init_time = make_batch()
    loss = EndToEnd()(network, inputs, targets, init_time)["loss"]
    squared = (network(inputs, init_time) - targets).square().mean(dim=(0, 1, 3, 4))  # as scored
    linear = network.residual.square().mean(dim=0)
    torch.testing.assert_close(loss, (squared / linear).mean())


def test_changing_the_targets_changes_no_input():
    network = make_network(partial(MET2NET, num_inputs=2, num_targets=3))
    inputs, targets, init_time = make_batch()
    problems = [
        learning_problem(network, inputs=inputs, targets=aim, init_time=init_time)
        for aim in (targets, torch.randn_like(targets))
    ]
    assert torch.equal(problems[0].inputs, problems[1].inputs)


def test_without_init_times_it_is_refused():
    network = make_network(partial(Zeros, num_targets=3))
    assert needs_init_time(network) and not needs_init_time(network.forecaster)
    with pytest.raises(ValueError, match="found no init time; expected one a sample"):
        run_network(network, make_batch()[0])


def test_before_it_is_set_it_is_refused():
    network = LinearReference(
        variables=VARIABLES, linear=linear_arguments(), forecaster=partial(Zeros, num_targets=3)
    )
    inputs, _, init_time = make_batch()
    with pytest.raises(ValueError, match="linear forecast is not set"):
        network(inputs, init_time)
    ones = {"scale": torch.ones(3), "residual": torch.ones(3, 3)}
    with pytest.raises(ValueError, match="of another form"):
        network.set_linear(make_linear(stencil=5), **ones)
    with pytest.raises(ValueError, match="scale of v10 is 0.0; expected a positive finite number"):
        network.set_linear(
            make_linear(), **ones | {"residual": torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 1.0]])}
        )
    # Loaded weights say themselves that they are set.
    network.load_state_dict(make_network(partial(Zeros, num_targets=3)).state_dict())
    network(inputs, init_time)


def test_other_channels_than_the_linear_forecast_has_are_refused():
    with pytest.raises(ValueError, match="linear forecast has 3 channels; expected 1: t2m"):
        LinearReference(variables={"t2m": ["t2m"]}, linear=linear_arguments(), forecaster=Zeros)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"frames": ()}, "at least one"),
        ({"frames": (0,), "stencil": 4}, "stencil is 4; expected an odd number"),
        ({"frames": (0,), "num_bands": 2}, "num_bands is 2; expected at least 1, and 1 without"),
        ({"frames": (0,), "num_day_parts": 5}, "num_day_parts is 5; expected a divisor of 24"),
        ({"frames": (0,), "stencil": 3, "num_day_parts": 2}, "num_day_parts is 2; expected 1 with"),
    ],
)
def test_forms_that_cannot_be_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        LinearForm(**changes)


def test_forms_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"frames are \(0, 2\); expected them below 2"):
        LinearForecast(**linear_arguments() | {"frames": [0, 2]})
    with pytest.raises(ValueError, match="num_bands is 5; expected at most 4 rows"):
        LinearForecast(**linear_arguments() | {"num_bands": 5})


def test_trace_and_attention_are_those_of_the_network_inside():
    network = randomize(make_network(partial(MET2NET, num_inputs=2, num_targets=3)).eval())
    inputs, _, init_time = make_batch()
    encoded = network.encoded(inputs, init_time)
    for name in ("trace", "attention_maps"):
        outer = getattr(network, name)(inputs, init_time)
        inner = getattr(network.forecaster, name)(encoded)
        if name == "trace":
            assert all(torch.equal(outer[layer], inner[layer]) for layer in inner)
        else:
            assert torch.equal(outer, inner)


@pytest.mark.parametrize("name", BASELINES)
def test_every_network_starts_from_the_linear_forecast(name):
    settings = tiny_settings(name, variables=VARIABLES, num_targets=3)
    inner = {key: value for key, value in settings.items() if key != "variables"}
    network = make_network(build({**inner, "_partial_": True}))
    network.eval()
    inputs, _, init_time = make_batch()
    torch.testing.assert_close(network(inputs, init_time), network.linear(inputs, init_time))
