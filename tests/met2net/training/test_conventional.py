import pytest
import torch
from torch import nn

from met2net.training.conventional import ReconstructThenPredict
from tests.met2net.models.model_builders import (
    is_same,
    make_batch,
    make_met2net,
    make_reference_frame,
    randomize,
    snapshot,
)


def train(network, objective, *, steps: int) -> list[set[str]]:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.1)
    network.train()
    names = []
    for _ in range(steps):
        optimizer.zero_grad()
        for stage in objective.stages(network, *make_batch()):
            stage["loss"].backward()
            names.append(set(stage))
        optimizer.step()
        objective.after_step(network)
    return names


def test_autoencoders_learn_first_and_then_stay_bit_for_bit_while_the_translator_learns():
    network = make_met2net()
    objective = ReconstructThenPredict(reconstruction_share=0.4)
    objective.set_total_steps(5)
    objective.prepare(network)
    before = snapshot(network)
    assert train(network, objective, steps=2) == 2 * [{"loss", "reconstruction_loss"}]
    middle = snapshot(network)
    assert train(network, objective, steps=3) == 3 * [{"loss", "latent_loss"}]
    after = snapshot(network)
    for name in before:
        is_translator = name.startswith("translator")
        assert torch.equal(before[name], middle[name]) == is_translator, name
        if not is_translator:
            assert torch.equal(middle[name], after[name]), name
    assert not is_same(middle, after)


def test_reconstruction_is_of_the_target_frames():
    network = randomize(make_met2net(num_targets=3)).eval()
    objective = ReconstructThenPredict(reconstruction_steps=1)
    inputs, targets = make_batch(num_targets=3)
    decoded = network.decoders(network.encoders(targets), grid=(4, 6))
    expected = (decoded - targets).square().mean()
    torch.testing.assert_close(objective(network, inputs, targets)["loss"], expected)


def test_with_a_reference_frame_differences_are_reconstructed():
    network = randomize(make_reference_frame()).eval()
    network.set_scale(torch.tensor([0.5, 0.25, 2.0]))
    inputs, targets = make_batch()
    seen = network.encode(targets, reference=inputs[:, -1:])
    inner = network.forecaster
    decoded = inner.decoders(inner.encoders(seen), grid=(4, 6))
    differences = (targets - inputs[:, -1:]) / network.scale[:, None, None]
    found = ReconstructThenPredict(reconstruction_steps=1)(network, inputs, targets)["loss"]
    torch.testing.assert_close(found, (decoded - differences).square().mean())


def test_the_switch_survives_a_stop_and_another_length_of_training():
    objective = ReconstructThenPredict(reconstruction_share=0.5)
    objective.set_total_steps(6)
    for _ in range(3):
        objective.after_step(nn.Identity())
    resumed = ReconstructThenPredict(reconstruction_share=0.5)
    resumed.load_state_dict(objective.state_dict())
    assert not resumed.is_reconstructing
    resumed.set_total_steps(100)
    assert int(resumed.switch_step) == 3


def test_a_schedule_for_each_stage_and_forecasts_learned_in_the_second_alone():
    objective = ReconstructThenPredict(reconstruction_share=0.4)
    assert objective.cycles(10) == (4, 6)
    assert not objective.learns_to_forecast
    for _ in range(4):
        objective.after_step(nn.Identity())
    assert objective.learns_to_forecast
    resumed = ReconstructThenPredict(reconstruction_share=0.4)
    resumed.load_state_dict(objective.state_dict())
    assert resumed.cycles(10) == (4, 6)


def test_adam_s_moments_of_the_translator_begin_with_its_stage():
    network = make_met2net()
    objective = ReconstructThenPredict(reconstruction_steps=2)
    objective.prepare(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        for stage in objective.stages(network, *make_batch()):
            stage["loss"].backward()
        optimizer.step()
        objective.after_step(network)
    steps = {
        name: int(optimizer.state[weight]["step"]) for name, weight in network.named_parameters()
    }
    assert {n for name, n in steps.items() if name.startswith("translator")} == {1}
    assert {n for name, n in steps.items() if not name.startswith("translator")} == {2}


def test_wrong_settings_are_refused():
    for settings in ({}, {"reconstruction_share": 0.5, "reconstruction_steps": 3}):
        with pytest.raises(ValueError, match="expected exactly one of them"):
            ReconstructThenPredict(**settings)
    with pytest.raises(ValueError, match="reconstruction_share is 1.0; expected 0 < share < 1"):
        ReconstructThenPredict(reconstruction_share=1.0)
    with pytest.raises(ValueError, match="reconstruction_steps is 0; expected at least 1"):
        ReconstructThenPredict(reconstruction_steps=0)


def test_wrong_use_is_refused():
    network = make_met2net()
    with pytest.raises(ValueError, match="all steps is unknown; expected set_total_steps"):
        ReconstructThenPredict(reconstruction_share=0.5)(network, *make_batch())
    with pytest.raises(ValueError, match="autoencoders learn for 5 of 5 steps"):
        ReconstructThenPredict(reconstruction_steps=5).set_total_steps(5)
    with pytest.raises(ValueError, match="autoencoders learn for 0 of 2 steps"):
        ReconstructThenPredict(reconstruction_share=0.1).set_total_steps(2)
    with pytest.raises(ValueError, match="the network is a Linear; expected a Met2Net"):
        ReconstructThenPredict(reconstruction_steps=5).prepare(nn.Linear(1, 1))
