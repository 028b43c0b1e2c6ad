import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from met2net.models.blocks.drop_path import DropPath
from met2net.training.divergence import differential_divergence
from met2net.training.objective import EndToEnd
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import (
    is_same,
    make_batch,
    make_met2net,
    make_reference_frame,
    randomize,
    snapshot,
)


def prepared(network: nn.Module, **settings: float) -> TwoStage:
    objective = TwoStage(**settings)
    objective.prepare(network)
    return objective


def train(network, objective, *, steps: int, rate: float) -> list[float]:
    inputs, targets = make_batch()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    objective.train()
    network.train()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = objective(network, inputs, targets)["loss"]
        loss.backward()
        optimizer.step()
        objective.after_step(network)
        losses.append(loss.item())
    return losses


def test_two_stage_losses_are_those_of_the_two_paths():
    network = randomize(make_met2net()).eval()
    objective = prepared(network, latent_weight=0.5).eval()
    randomize(objective.momentum_translator, seed=9)
    inputs, targets = make_batch()
    losses = objective(network, inputs, targets)

    latent = network.encoders(inputs)
    forecast = network.decoders(objective.momentum_translator(latent), grid=(4, 6))
    first = F.mse_loss(forecast, targets)
    second = F.mse_loss(network.translator(latent), network.encoders(targets))
    torch.testing.assert_close(losses["prediction_loss"], first)
    torch.testing.assert_close(losses["latent_loss"], second)
    torch.testing.assert_close(losses["loss"], first + 0.5 * second)


def test_momentum_encoders_give_both_latents_of_stage_2():
    network = randomize(make_met2net()).eval()
    objective = prepared(network, autoencoder_momentum=0.999).eval()
    randomize(objective.momentum_encoders, seed=9)
    inputs, targets = make_batch()
    slow = objective.momentum_encoders
    expected = F.mse_loss(network.translator(slow(inputs)), slow(targets))
    torch.testing.assert_close(objective(network, inputs, targets)["latent_loss"], expected)


@pytest.mark.parametrize("autoencoder_momentum", [0.0, 0.999])
def test_gradients_of_stage_1_reach_autoencoders_through_the_translator(autoencoder_momentum):
    network = randomize(make_met2net())
    objective = prepared(network, autoencoder_momentum=autoencoder_momentum)
    objective(network, *make_batch())["prediction_loss"].backward()
    for part in (network.encoders, network.decoders):
        assert all(weight.grad is not None for weight in part.parameters())
        assert sum(float(weight.grad.abs().sum()) for weight in part.parameters()) > 0
    assert all(weight.grad is None for weight in network.translator.parameters())
    assert all(weight.grad is None for weight in objective.parameters())


@pytest.mark.parametrize("autoencoder_momentum", [0.0, 0.999])
def test_gradients_of_stage_2_reach_the_translator_alone(autoencoder_momentum):
    network = randomize(make_met2net())
    objective = prepared(network, autoencoder_momentum=autoencoder_momentum)
    objective(network, *make_batch())["latent_loss"].backward()
    assert all(weight.grad is not None for weight in network.translator.parameters())
    for part in (network.encoders, network.decoders, objective):
        assert all(weight.grad is None for weight in part.parameters())


def test_copies_exist_only_for_what_a_momentum_asks_for():
    network = make_met2net()
    assert prepared(network).momentum_encoders is None
    assert prepared(network, autoencoder_momentum=0.9).momentum_encoders is not None
    assert not any("momentum" in name for name in network.state_dict())


def test_after_step_averages_and_forward_does_not():
    network = make_met2net()
    objective = prepared(network, translator_momentum=0.75, autoencoder_momentum=0.5)
    before = snapshot(objective)
    randomize(network)
    objective.train()
    objective(network, *make_batch())
    floats = {k: v for k, v in snapshot(objective).items() if v.is_floating_point()}
    assert is_same(floats, {k: before[k] for k in floats})

    objective.after_step(network)
    online = network.state_dict()
    for name, tensor in objective.state_dict().items():
        leading = online[name.removeprefix("momentum_")]
        share = 0.75 if "translator" in name else 0.5
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, share * before[name] + (1 - share) * leading)
        else:
            assert torch.equal(tensor, leading)


def test_a_translator_that_sees_the_forecast_has_the_gradients_of_both_stages():
    inputs, targets = make_batch()
    gradients = []
    for objective in (TwoStage(translator_sees_forecast=True, latent_weight=0.5), EndToEnd()):
        network = randomize(make_met2net()).eval()
        objective.prepare(network)
        objective(network, inputs, targets)["loss"].backward()
        objective.after_step(network)
        gradients.append([weight.grad.clone() for weight in network.translator.parameters()])
        assert not snapshot(objective)  # no copy of the translator
    network = randomize(make_met2net()).eval()
    latent, aim = network.encoders(inputs).detach(), network.encoders(targets).detach()
    (0.5 * F.mse_loss(network.translator(latent), aim)).backward()
    for both, first, second in zip(*gradients, network.translator.parameters(), strict=True):
        torch.testing.assert_close(both, first + second.grad)


def test_in_training_the_momentum_translator_uses_batch_statistics_and_drop_path():
    network = randomize(make_met2net(drop_path=0.5))
    objective = prepared(network).train()
    latent = network.encoders(make_batch(batch=8)[0])
    torch.manual_seed(0)
    copy = objective.momentum_translator(latent)
    torch.manual_seed(0)
    torch.testing.assert_close(copy, network.translator.train()(latent))
    assert not torch.allclose(copy, objective.eval().momentum_translator(latent))


@pytest.mark.parametrize("make_network", [make_met2net, make_reference_frame])
def test_evaluation_changes_no_weight_and_no_buffer(make_network):
    network = make_network().eval()
    objective = prepared(network, autoencoder_momentum=0.9).eval()
    before = snapshot(network), snapshot(objective)
    first, second = (objective(network, *make_batch())["loss"] for _ in range(2))
    assert torch.equal(first, second)
    assert is_same(before[0], snapshot(network))
    assert is_same(before[1], snapshot(objective))


@pytest.mark.parametrize("num_targets", [1, 3])
def test_two_stage_takes_any_number_of_target_frames(num_targets):
    network = make_met2net(num_targets=num_targets)
    losses = prepared(network)(network, *make_batch(num_targets=num_targets))
    assert torch.isfinite(losses["loss"])


def test_with_a_reference_frame_losses_are_in_scaled_differences():
    network = randomize(make_reference_frame()).eval()
    network.set_scale(torch.tensor([0.5, 0.25, 2.0]))
    inputs, targets = make_batch()
    reference = inputs[:, -1:]
    scaled = (network(inputs) - targets) / network.scale[:, None, None]
    end_to_end = EndToEnd()(network, inputs, targets)["prediction_loss"]
    torch.testing.assert_close(end_to_end, scaled.square().mean())

    # Fresh copies equal the online parts, so both objectives forecast the same.
    two_stage = prepared(network).eval()(network, inputs, targets)
    torch.testing.assert_close(two_stage["prediction_loss"], end_to_end)
    encode = network.forecaster.encoders
    latent = encode(network.encode(inputs, reference=reference))
    target = encode(network.encode(targets, reference=reference))
    expected = F.mse_loss(network.forecaster.translator(latent), target)
    torch.testing.assert_close(two_stage["latent_loss"], expected)


@pytest.mark.parametrize("make_network", [make_met2net, make_reference_frame])
@pytest.mark.parametrize(
    ("objective", "rate", "share"),
    [
        (EndToEnd(), 2e-2, 0.1),
        # Its stages chase each other: slower, and never near zero at this pace.
        (TwoStage(translator_momentum=0.5), 1e-2, 0.5),
    ],
    ids=["end_to_end", "two_stage"],
)
def test_one_batch_can_be_learnt_by_heart(make_network, objective, rate, share):
    network = make_network()
    for part in network.modules():
        if isinstance(part, DropPath):
            part.rate = 0.0  # noise on so small a task
    inputs, targets = make_batch()
    objective.prepare(network)
    before = F.mse_loss(network(inputs), targets)
    losses = train(network, objective, steps=60, rate=rate)
    assert losses[-1] < share * losses[0]
    # What inference gives, through the online translator, learns too.
    assert F.mse_loss(network(inputs), targets) < 0.7 * before


def test_divergence_by_hand():
    targets = torch.tensor([[0.0, 0.0], [0.0, 0.0]]).reshape(1, 2, 1, 1, 2)
    forecast = torch.tensor([[0.0, 0.0], [np.log(3.0), 0.0]]).reshape(1, 2, 1, 1, 2)
    # Temperature 1: p = (3/4, 1/4) against q = (1/2, 1/2), averaged over two points.
    expected = (0.75 * np.log(1.5) + 0.25 * np.log(0.5)) / 2
    found = differential_divergence(forecast.float(), targets, temperature=1.0)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_single_frame_has_no_divergence_and_still_trains():
    network = make_met2net(num_targets=1)
    inputs, targets = make_batch(num_targets=1)
    losses = EndToEnd(differential_divergence_weight=0.1)(network, inputs, targets)
    assert float(losses["divergence"]) == 0
    torch.testing.assert_close(losses["loss"], losses["prediction_loss"])
    losses["loss"].backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in network.parameters())


def test_divergence_is_zero_for_equal_changes_and_enters_with_its_weight():
    network = make_met2net().eval()
    inputs, targets = make_batch()
    shifted = targets + 1.0
    assert float(differential_divergence(targets, shifted, temperature=0.1)) < 1e-6
    losses = EndToEnd(differential_divergence_weight=0.1)(network, inputs, targets)
    assert losses["divergence"] > 0
    torch.testing.assert_close(
        losses["loss"], losses["prediction_loss"] + 0.1 * losses["divergence"]
    )


def test_wrong_use_is_refused():
    network = make_met2net()
    with pytest.raises(ValueError, match=r"no momentum copies; expected prepare\(network\)"):
        TwoStage()(network, *make_batch())
    with pytest.raises(ValueError, match="no momentum copies"):
        TwoStage().after_step(network)
    with pytest.raises(ValueError, match="the network is a Linear; expected a Met2Net"):
        TwoStage().prepare(nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (TwoStage, {"translator_momentum": 1.5}, "translator_momentum is 1.5"),
        (TwoStage, {"autoencoder_momentum": -1.0}, "autoencoder_momentum is -1.0"),
        (TwoStage, {"latent_weight": -1.0}, "latent_weight is -1.0; expected a positive number"),
        (EndToEnd, {"differential_divergence_weight": -0.1}, "weight is -0.1"),
        (EndToEnd, {"temperature": 0.0}, "temperature is 0.0; expected a positive number"),
    ],
)
def test_wrong_settings_are_refused(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings)
