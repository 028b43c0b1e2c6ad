from functools import partial

import pytest
import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from met2net.models.baselines.convlstm import ConvLSTM
from met2net.models.baselines.metaformer import TAU
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.baselines.recurrent import forecast_channels
from met2net.models.reference_frame import ReferenceFrame
from met2net.training.module import ForecastModule
from met2net.training.problem import learning_problem
from met2net.training.scheduled_sampling import ScheduledSampling
from met2net.training.settings import OptimizationSettings
from tests.met2net.models.model_builders import (
    SIZES,
    VARIABLES,
    is_same,
    make_batch,
    make_met2net,
    randomize,
    snapshot,
)
from tests.met2net.models.test_linear_reference import make_batch as make_linear_batch
from tests.met2net.models.test_linear_reference import make_network as make_linear_network

TINY = {"hidden_dim": 4, "num_layers": 2, "kernel_size": 3}
FRAMES = {"num_inputs": 2, "num_targets": 3}


def make_network(kind=ConvLSTM, **changes):
    torch.manual_seed(0)
    return kind(variables=VARIABLES, **FRAMES, **(TINY | changes))


def make_framed(*, per_variable: bool) -> ReferenceFrame:
    inner = partial(ConvLSTM, **FRAMES, **TINY)
    if per_variable:
        inner = partial(PerVariable, forecaster=inner)
    network = ReferenceFrame(variables=VARIABLES, forecaster=inner)
    network.set_scale(torch.tensor([0.5, 0.25, 2.0]))
    return network


def at_step(step: int, **settings) -> ScheduledSampling:
    objective = ScheduledSampling(**settings)
    objective.step.fill_(step)
    return objective


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 1.0), (1, 0.99998), (25_000, 0.5), (49_999, 2e-5), (50_000, 0.0)]
)
def test_truth_becomes_rarer_as_published(step, expected):
    assert at_step(step).truth_probability().item() == pytest.approx(expected, abs=1e-6)


def test_truth_ends_where_it_is_told_to_and_is_never_negative():
    assert at_step(9, stop_step=10).truth_probability() > 0.9
    assert at_step(10, stop_step=10).truth_probability() == 0
    assert at_step(30, start=0.5, decrease_per_step=0.1).truth_probability() == 0


def test_the_loss_counts_every_successor():
    network = randomize(make_network()).eval()
    inputs, targets = make_batch(num_targets=3)
    losses = at_step(50_000)(network, inputs, targets)
    forecast = network.forward_with_targets(inputs, targets, torch.zeros(2, 2, dtype=torch.bool))
    errors = torch.cat([forecast[:, :1] - inputs[:, 1:], forecast[:, 1:] - targets], dim=1)
    torch.testing.assert_close(losses["loss"], errors.square().mean())
    torch.testing.assert_close(losses["prediction_loss"], errors[:, 1:].square().mean())
    torch.testing.assert_close(
        losses["prediction_loss"], (network(inputs) - targets).square().mean()
    )


def test_channels_and_areas_weigh_every_successor():
    network = randomize(make_network()).eval()
    inputs, targets = make_batch(num_targets=3)
    objective = at_step(50_000, channel_weights={"t2m": 4.0}, area_weighted=True)
    objective.set_area_weights(torch.tensor([1.0, 2.0, 2.0, 1.0]))
    objective.prepare(network)
    losses = objective(network, inputs, targets)
    forecast = network.forward_with_targets(inputs, targets, torch.zeros(2, 2, dtype=torch.bool))
    errors = torch.cat([forecast[:, :1] - inputs[:, 1:], forecast[:, 1:] - targets], dim=1)
    weights = torch.tensor([0.5, 0.5, 2.0])[:, None, None]
    weights = weights * torch.tensor([1.0, 2.0, 2.0, 1.0])[:, None] / 1.5
    weighted = weights * errors.square()
    torch.testing.assert_close(losses["loss"], weighted.mean())
    torch.testing.assert_close(losses["prediction_loss"], weighted[:, 1:].mean())


def test_truth_is_drawn_for_every_sample_and_frame():
    inputs, targets = make_batch(num_targets=3)
    seen = []

    class Watched(ConvLSTM):
        def forward_with_targets(self, inputs, target_frames, use_truth):
            seen.append(use_truth)
            return super().forward_with_targets(inputs, target_frames, use_truth)

    network = make_network(Watched)
    torch.manual_seed(0)
    for _ in range(100):
        at_step(25_000)(network, inputs, targets)
    drawn = torch.stack(seen).float()
    assert drawn.shape == (100, 2, 2)
    # Standard error of a mean of 100 draws: 0.05.
    assert ((drawn.mean(dim=0) - 0.5).abs() < 0.2).all()
    assert drawn.std(dim=0).min() > 0.4


@pytest.mark.parametrize("per_variable", [False, True])
def test_in_a_reference_frame_the_loss_is_in_scaled_differences(per_variable):
    network = randomize(make_framed(per_variable=per_variable)).eval()
    inputs, targets = make_batch(num_targets=3)
    objective = at_step(50_000)
    objective.prepare(network)
    losses = objective(network, inputs, targets)
    errors = (network(inputs) - targets) / torch.tensor([0.5, 0.25, 2.0])[:, None, None]
    torch.testing.assert_close(losses["prediction_loss"], errors.square().mean())


def test_networks_a_variable_train_as_they_would_alone():
    torch.manual_seed(0)
    network = PerVariable(
        variables=VARIABLES, forecaster=partial(ConvLSTM, **FRAMES, **TINY)
    ).eval()
    inputs, targets = make_batch(num_targets=3)
    whole = at_step(0)(network, inputs, targets)["loss"]
    wind, heat = (
        at_step(0)(part, inputs[:, :, rows], targets[:, :, rows])["loss"]
        for part, rows in zip(network.forecasters, (slice(0, 2), slice(2, 3)), strict=True)
    )
    torch.testing.assert_close(whole, (2 * wind + heat) / 3)


def test_it_overfits_one_batch_and_counts_its_steps():
    network, objective = make_network(hidden_dim=12), ScheduledSampling(decrease_per_step=0.05)
    inputs, targets = make_batch(num_targets=3)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = objective(network, inputs, targets)
        loss["loss"].backward()
        optimizer.step()
        objective.after_step(network)
        losses.append(loss["prediction_loss"].item())
    assert objective.step == 60
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_resumed_training_goes_on_counting(precision):
    inputs, targets = make_batch(batch=4, num_targets=3)
    windows = [{"inputs": x, "targets": y} for x, y in zip(inputs, targets, strict=True)]
    settings = OptimizationSettings(
        learning_rate=1e-2, schedule="constant", max_epochs=1, batch_size=2
    )
    module = ForecastModule(make_network(), ScheduledSampling(), settings)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, precision=precision,
    )  # fmt: skip
    loader = DataLoader(windows, batch_size=2)
    trainer.fit(module, loader, loader)
    assert module.objective.step == 2
    logged = trainer.callback_metrics["train_truth_probability"].item()
    assert logged == pytest.approx(1 - 1e-5, abs=1e-6)
    other = ForecastModule(make_network(), ScheduledSampling(), settings)
    other.load_state_dict(module.state_dict())
    assert other.objective.step == 2
    before = snapshot(module)
    trainer.validate(module, loader, verbose=False)
    assert is_same(before, snapshot(module))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 1.5}, "start is 1.5; expected 0 to 1"),
        ({"decrease_per_step": -1.0}, "decrease_per_step is -1.0; expected at least 0"),
        ({"stop_step": -1}, "stop_step is -1; expected at least 0"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ScheduledSampling(**settings)


def test_a_network_that_is_not_recurrent_is_refused():
    inner = partial(TAU, num_inputs=2, num_targets=2, **SIZES)
    for network, name in (
        (make_met2net(), "Met2Net"),
        (PerVariable(variables=VARIABLES, forecaster=inner), "TAU"),
        (ReferenceFrame(variables=VARIABLES, forecaster=inner), "TAU"),
    ):
        with pytest.raises(ValueError, match=f"the network is a {name}; ScheduledSampling"):
            ScheduledSampling().prepare(network)


def test_input_frames_count_once_and_lead_times_as_the_reference_says():
    network = make_linear_network(partial(ConvLSTM, **FRAMES, **TINY))
    network.set_linear(
        network.linear,
        scale=torch.ones(3),
        residual=torch.tensor([[1.0], [2.0], [3.0]]).expand(3, 3),
    )
    inputs, targets, init_time = make_linear_batch()
    problem = learning_problem(network, inputs=inputs, targets=targets, init_time=init_time)
    objective = at_step(0, start=0.0)
    found = objective(network, inputs, targets, init_time)
    forecast = problem.network.forward_with_targets(
        problem.inputs, problem.target_frames, torch.zeros(len(inputs), 2, dtype=torch.bool)
    )
    assert forecast.shape[1] == 4  # T = 2, T' = 3
    squared = (forecast[:, 1:] - problem.targets).square().mean(dim=(0, 2, 3, 4))
    weights = torch.tensor([1.0, 4.0, 9.0]) * 3 / 14
    torch.testing.assert_close(found["prediction_loss"], (weights * squared).mean())
    ahead = problem.inputs[:, 1:, forecast_channels(VARIABLES, problem.network.input_variables)]
    first = (forecast[:, :1] - ahead).square().mean()
    torch.testing.assert_close(found["loss"], (first + (weights * squared).sum()) / 4)
