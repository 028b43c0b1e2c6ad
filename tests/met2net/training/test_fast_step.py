"""The step as it is trained against the plain one, in float64 without drop path."""

from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from met2net.data.grid import equiangular
from met2net.models.met2net import Met2Net
from met2net.models.reference_frame import ReferenceFrame
from met2net.training.conventional import ReconstructThenPredict
from met2net.training.objective import EndToEnd, Objective
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import randomize
from tests.met2net.training import plain_step

GROUPS = {
    "per_variable": {"uv10": ["u10", "v10"], "t2m": ["t2m"]},
    "shared": {"u10": ["u10"], "v10": ["v10"], "t2m": ["t2m"]},
    "joint": {"uv10": ["u10", "v10"], "t2m": ["t2m"]},
}
SIZES = {
    "num_inputs": 2, "num_targets": 3, "spatial_dim": 4, "latent_dim": 8, "num_blocks": 2,
    "num_scales": 2, "num_heads": 2,
}  # fmt: skip
GRID = (10, 12)  # latents of 5 x 6 points: some taps of TAU's wide kernel are left out, some not
SCALE = torch.tensor([0.5, 0.25, 2.0], dtype=torch.float64)
CHANNEL_WEIGHTS = {"t2m": 3.0, "v10": 0.5}  # and 1 for u10: their mean is 1.5
TRANSLATOR_MOMENTUM, AUTOENCODER_MOMENTUM = 0.75, 0.5


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_network(autoencoders: str, *, attention: bool, reference_frame: bool) -> nn.Module:
    settings = dict(**SIZES, drop_path=0.0, autoencoders=autoencoders, variable_attention=attention)
    if not reference_frame:
        return Met2Net(variables=GROUPS[autoencoders], **settings)
    network = ReferenceFrame(
        variables=GROUPS[autoencoders], forecaster=partial(Met2Net, **settings)
    )
    network.set_scale(SCALE)
    return network


def make_plain(autoencoders: str, *, attention: bool, reference_frame: bool):
    sizes = [len(labels) for labels in GROUPS[autoencoders].values()]
    sizes = [sum(sizes)] if autoencoders == "joint" else sizes
    return plain_step.PlainNetwork(
        sizes,
        input_groups=[2 * size for size in sizes] if reference_frame else None,
        shared=autoencoders == "shared",
        attention=attention,
        **SIZES,
    )


def as_seen(frames: Tensor, reference: Tensor, groups: dict[str, list[str]]) -> Tensor:
    """Differences, then the reference frame, a variable after the other."""
    differences = (frames - reference) / SCALE[:, None, None]
    parts, first = [], 0
    for labels in groups.values():
        own = slice(first, first + len(labels))
        parts += [differences[:, :, own], reference.expand_as(frames)[:, :, own]]
        first += len(labels)
    return torch.cat(parts, dim=2)


def make_objective(name: str, weights: dict) -> Objective:
    if name == "two_stage":
        return TwoStage(translator_momentum=TRANSLATOR_MOMENTUM, **weights)
    if name == "two_stage_both_momenta":
        return TwoStage(
            translator_momentum=TRANSLATOR_MOMENTUM,
            autoencoder_momentum=AUTOENCODER_MOMENTUM,
            prediction_weight=0.5,
            latent_weight=2.0,
            **weights,
        )
    if name == "end_to_end":
        return EndToEnd(**weights)
    objective = ReconstructThenPredict(reconstruction_steps=1, **weights)
    if name == "predict":
        objective.after_step(nn.Identity())
    return objective


def fast_step(network, objective, inputs, targets) -> tuple[Tensor, Tensor]:
    """Loss and gradients, a stage after the other as training does."""
    total = torch.zeros(())
    for stage in objective.stages(network, inputs, targets):
        stage["loss"].backward()
        total += stage["loss"].detach()
    return total, gradient(network)


def gradient(network: nn.Module) -> Tensor:
    """One vector; weights that a loss does not reach have zeros."""
    return torch.cat(
        [
            (torch.zeros_like(weight) if weight.grad is None else weight.grad).flatten()
            for _, weight in sorted(network.named_parameters())
        ]
    )


def averaged(momentum: float, old: nn.Module, new: nn.Module) -> dict[str, Tensor]:
    pairs = zip(old.state_dict().items(), new.state_dict().values(), strict=True)
    return {k: momentum * a + (1 - momentum) * b for (k, a), b in pairs}


SCHEMES = ["two_stage", "two_stage_both_momenta", "end_to_end", "reconstruct", "predict"]


@pytest.mark.parametrize(
    ("scheme", "autoencoders", "attention", "reference_frame", "weighted"),
    list(product(SCHEMES, GROUPS, [True, False], [True, False], [True, False])),
)
def test_loss_and_gradients_are_those_of_the_plain_step(
    scheme, autoencoders, attention, reference_frame, weighted
):
    kind = {"attention": attention, "reference_frame": reference_frame}
    generator = torch.Generator().manual_seed(3)
    frames = torch.randn(2, 5, 3, *GRID, generator=generator)
    inputs, targets = frames.split([2, 3], dim=1)
    area = torch.linspace(0.5, 1.5, GRID[0])
    weights = {"channel_weights": CHANNEL_WEIGHTS, "area_weighted": True} if weighted else {}

    network = randomize(make_network(autoencoders, **kind), seed=1)
    objective = make_objective(scheme, weights)
    objective.set_area_weights(7 * area)
    objective.prepare(network)
    plain = make_plain(autoencoders, **kind)
    inner = network.forecaster if reference_frame else network
    plain.load_state_dict(inner.state_dict())
    old_translator, old_encoders = plain_step.momentum_parts(plain)
    randomize(network, seed=2)
    plain.load_state_dict(inner.state_dict())
    if isinstance(objective, TwoStage):
        objective.after_step(network)
    loss, found = fast_step(network, objective, inputs, targets)

    reference = inputs[:, -1:]
    target_frames = targets
    if reference_frame:
        target_frames = as_seen(targets, reference, GROUPS[autoencoders])
        inputs = as_seen(inputs, reference, GROUPS[autoencoders])
        targets = (targets - reference) / SCALE[:, None, None]
    by_point, by_latent = 1.0, 1.0
    if weighted:
        labels = [label for group in GROUPS[autoencoders].values() for label in group]
        by_channel = torch.tensor([CHANNEL_WEIGHTS.get(label, 1.0) for label in labels]) / 1.5
        by_point = by_channel[:, None, None] * area[:, None]
        # Rows in pairs; variables as the mean of their channels (1 and 0.5; 3), one for joint.
        by_variable = {
            "per_variable": torch.tensor([0.75, 3.0]) / 1.875,
            "shared": by_channel,
            "joint": torch.ones(1),
        }[autoencoders]
        by_latent = by_variable[:, None, None, None] * (area[0::2] + area[1::2])[:, None] / 2
    if scheme.startswith("two_stage"):
        both = scheme == "two_stage_both_momenta"
        momentum = AUTOENCODER_MOMENTUM if both else 0.0
        translator, encoders = plain_step.momentum_parts(plain)
        translator.load_state_dict(averaged(TRANSLATOR_MOMENTUM, old_translator, plain.translator))
        encoders.load_state_dict(averaged(momentum, old_encoders, plain.encoders))
        first, second = plain_step.two_stage(
            plain, translator, encoders, inputs=inputs, targets=targets,
            target_frames=target_frames, weights=by_point, latent_weights=by_latent,
        )  # fmt: skip
        expected = 0.5 * first + 2.0 * second if both else first + second
    elif scheme == "end_to_end":
        expected = plain_step.weighted_mse(plain_step.forecast(plain, inputs), targets, by_point)
    elif scheme == "reconstruct":
        expected = plain_step.reconstruction(
            plain, target_frames=target_frames, targets=targets, weights=by_point
        )
    else:
        expected = plain_step.latent_prediction(
            plain, inputs=inputs, target_frames=target_frames, weights=by_latent
        )
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-9, atol=0)
    expected_gradient = gradient(plain)
    assert expected_gradient.norm() > 0
    assert (found - expected_gradient).norm() <= 1e-9 * expected_gradient.norm()


def test_the_sum_of_all_stages_is_one_loss_with_the_same_gradients():
    network = randomize(make_network("per_variable", attention=True, reference_frame=False))
    objective = make_objective("two_stage_both_momenta", {})
    objective.prepare(network)
    frames = torch.randn(2, 5, 3, *GRID)
    loss, found = fast_step(network, objective, *frames.split([2, 3], dim=1))
    network.zero_grad()
    losses = objective(network, *frames.split([2, 3], dim=1))
    losses["loss"].backward()
    torch.testing.assert_close(losses["loss"].detach(), loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient(network), found, rtol=1e-9, atol=1e-12)
    assert list(losses) == ["loss", "prediction_loss", "latent_loss"]


def test_area_weights_of_a_grid_weigh_the_equator_more_than_the_poles():
    objective = EndToEnd(area_weighted=True)
    objective.set_area_weights(torch.from_numpy(equiangular(30.0).area_weights()))
    rows = torch.zeros(2, 1, 1, 1, 6, 12)
    rows[0, ..., 0, :], rows[1, ..., 2, :] = 1.0, 1.0
    polar, equatorial = (objective.squared_error(x, torch.zeros_like(x)) for x in rows)
    # Bands of 90-60 N and 30-0 N: sines differ by 1 - 0.866 and 0.5.
    assert float(equatorial / polar) == pytest.approx(0.5 / (1 - 0.75**0.5))
    assert (
        float(objective.squared_error(torch.ones(1, 1, 1, 6, 1), torch.zeros(1, 1, 1, 6, 1))) == 1
    )
