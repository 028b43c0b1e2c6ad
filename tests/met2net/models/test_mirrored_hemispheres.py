"""The mirror at the equator: signs, symmetry of forecasts, and what training sees."""

import numpy as np
import pytest
import torch
from torch import nn

from met2net.data.grid import Grid
from met2net.data.windows import WindowSpec
from met2net.models.build import build
from met2net.models.known_inputs import KnownInputs
from met2net.models.linear_reference import LinearReference
from met2net.models.met2net import Met2Net
from met2net.models.mirrored_hemispheres import MirroredHemispheres, odd_channels
from met2net.models.own_classes import settings_of
from met2net.models.reference_frame import ReferenceFrame
from met2net.models.wrapper import run_network
from met2net.training.fitted_settings import settings_for
from met2net.training.objective import EndToEnd
from met2net.training.problem import learning_problem
from met2net.training.references import set_any_references
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import SIZES, VARIABLES

LABELS = [label for labels in VARIABLES.values() for label in labels]  # u10, v10, t2m
GLOBE = Grid((60.0, 20.0, -20.0, -60.0), (0.0, 60.0, 120.0, 180.0, 240.0, 300.0))


class Northward(nn.Module):
    """Forecast the gradient of the first input channel from south to north: no symmetric law."""

    def __init__(self, *, variables, input_variables):
        super().__init__()
        self.channels = sum(len(labels) for labels in variables.values())
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, inputs):
        gradient = self.weight * (inputs - inputs.roll(1, -2))
        return gradient[:, :1, : self.channels].expand(-1, 3, -1, -1, -1)


def mirror(frames: torch.Tensor) -> torch.Tensor:
    """By hand: rows turned round, v10 with the opposite sign."""
    turned = torch.flip(frames, (3,)).clone()
    turned[:, :, LABELS.index("v10")] *= -1
    return turned


def make(forecaster=Northward, **changes) -> MirroredHemispheres:
    return MirroredHemispheres(variables=VARIABLES, forecaster=forecaster, odd=["v10"], **changes)


def test_wind_across_the_equator_and_rotation_change_sign() -> None:
    assert odd_channels(["u10", "v10", "t2m", "v850", "u850", "image"]) == ["v10", "v850"]


def test_the_mirrored_globe_has_the_mirrored_forecast() -> None:
    network, inputs = make().eval(), torch.randn(2, 2, 3, 4, 6)
    forecast = network(inputs)
    torch.testing.assert_close(network(mirror(inputs)), mirror(forecast))
    assert not torch.allclose(forecast, network.forecaster(inputs))
    expected = (network.forecaster(inputs) + mirror(network.forecaster(mirror(inputs)))) / 2
    torch.testing.assert_close(forecast, expected)


def test_signs_follow_what_channels_are_of() -> None:
    inner = {
        "uv10": ["u10", "v10", "v10 of the last frame", "sine of latitude beside uv10"],
        "t2m": ["t2m", "climatology of v10 now", "solar_radiation 0 now beside v10"],
    }
    network = make(input_variables=inner)
    assert list(network._input_signs) == [1, -1, -1, -1, 1, -1, 1]
    assert list(network._signs) == [1, -1, 1]
    assert not network.state_dict().keys() - {"forecaster.weight"}


def test_mirrored_weather_sees_mirrored_land() -> None:
    inner = {"v10": ["v10", "orography beside v10", "land_sea_mask beside v10"], "t2m": ["t2m"]}
    groups = {"v10": ["v10"], "t2m": ["t2m"]}
    network = MirroredHemispheres(
        variables=groups, forecaster=lambda **_: nn.Identity(), odd=["v10"], input_variables=inner
    )
    assert list(network._input_signs) == [-1, 1, 1, 1]


@pytest.mark.parametrize("objective", [EndToEnd(), TwoStage(translator_momentum=0.9)])
def test_training_shows_windows_and_their_mirrored_selves(objective) -> None:
    def met2net(**groups):
        return Met2Net(num_inputs=2, num_targets=3, **SIZES, **groups)

    network = make(met2net)
    torch.manual_seed(0)
    inputs, targets = torch.randn(16, 2, 3, 4, 6), torch.randn(16, 3, 3, 4, 6)
    problem = learning_problem(network, inputs=inputs, targets=targets)
    is_mirrored = (problem.inputs != inputs).flatten(1).any(1)
    assert 2 <= int(is_mirrored.sum()) <= 14  # of 16: a chance of 3 in 10,000 otherwise
    for found, plain in (
        (problem.inputs, inputs), (problem.targets, targets), (problem.target_frames, targets),
    ):  # fmt: skip
        torch.testing.assert_close(found[is_mirrored], mirror(plain)[is_mirrored])
        torch.testing.assert_close(found[~is_mirrored], plain[~is_mirrored])
    network.eval()
    assert torch.equal(learning_problem(network, inputs=inputs, targets=targets).inputs, inputs)
    network.train()
    objective.prepare(network)
    for stage in objective.stages(network, inputs, targets):
        stage["loss"].backward()
    assert any(parameter.grad is not None for parameter in network.parameters())


def wrapped(outer: type[nn.Module], grid: Grid = GLOBE, **changes) -> nn.Module:
    mirrored = settings_of(
        MirroredHemispheres,
        forecaster=settings_of(Met2Net, _partial_=True, **SIZES),
        _partial_=True,
    )
    known = settings_of(
        KnownInputs, fields=["latitude", "climatology"], forecaster=mirrored, _partial_=True
    )
    settings = settings_for(
        settings_of(outer, forecaster=known), variables=VARIABLES, grid=grid,
        climatology_shape=(1, 4, 3, *grid.shape),
        window=WindowSpec.regular(num_inputs=2, num_targets=3, step_hours=6), **changes,
    )  # fmt: skip
    network = build(settings)
    set_any_references(network)
    return network


@pytest.mark.parametrize("outer", [ReferenceFrame, LinearReference])
def test_inside_other_wrappers_zero_is_the_reference(outer: type[nn.Module]) -> None:
    network = wrapped(outer).eval()
    inputs, time = torch.randn(2, 2, 3, 4, 6), torch.tensor([6, 30])
    mirrored = network.forecaster.forecaster
    assert isinstance(mirrored, MirroredHemispheres) and mirrored._signs[1] == -1
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    is_linear = isinstance(network, LinearReference)
    reference = (
        network.linear(inputs, time) if is_linear else inputs[:, -1:].expand(-1, 3, -1, -1, -1)
    )
    torch.testing.assert_close(run_network(network, inputs, time), reference, atol=1e-6, rtol=0)


def test_it_is_built_without_memory_and_takes_weights_as_a_checkpoint_gives_them() -> None:
    def met2net(**groups):
        return Met2Net(num_inputs=2, num_targets=3, **SIZES, **groups)

    trained, inputs = make(met2net).eval(), torch.randn(1, 2, 3, 4, 6)
    with torch.device("meta"):
        loaded = make(met2net).eval()
    loaded.load_state_dict(trained.state_dict(), assign=True)
    torch.testing.assert_close(loaded(inputs), trained(inputs), atol=0, rtol=0)


def test_a_region_is_refused() -> None:
    region = Grid((25.0, 24.0, 23.0, 22.0), (113.0, 114.0, 115.0, 116.0, 117.0, 118.0))
    with pytest.raises(ValueError, match="latitudes go from 25 to 22; expected the same ones on"):
        wrapped(ReferenceFrame, region)


def test_points_without_a_value_are_refused() -> None:
    with pytest.raises(
        ValueError, match="t2m lack values at some points; expected values everywhere"
    ):
        wrapped(ReferenceFrame, masked=("t2m",))


def test_an_odd_channel_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="odd has v500; expected some of u10, v10, t2m"):
        MirroredHemispheres(variables=VARIABLES, forecaster=Northward, odd=["v500", "v10"])


def test_symmetry_holds_on_any_field() -> None:
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(1, 2, 3, 4, 6)).astype(np.float32))
    network = wrapped(ReferenceFrame).eval()
    inner = network.forecaster.forecaster
    seen = sum(len(labels) for labels in inner.input_variables.values())
    frames = inputs.repeat(1, 1, -(-seen // 3), 1, 1)[:, :, :seen]
    turned = torch.flip(frames, (3,)) * torch.tensor(inner._input_signs)[:, None, None]
    torch.testing.assert_close(inner(turned), mirror(inner(frames)), atol=1e-5, rtol=1e-5)
