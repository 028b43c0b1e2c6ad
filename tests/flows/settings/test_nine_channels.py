"""Channels are added by editing one YAML file."""

import shutil

import pytest
import torch

from flows.settings import compose, config
from met2net.data.variables import channel
from met2net.models.build import build
from met2net.models.wrapper import innermost
from met2net.training.conventional import ReconstructThenPredict

NINE = (
    "variables: {uv10: [u10, v10], t2m: [t2m], tcc: [tcc], msl: [msl], r: [r950], "
    "t: [t500, t700, t850]}"
)


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Edit one line of one file in a copy of the configuration."""
    shutil.copytree(compose.CONFIGS, tmp_path / "configs")
    monkeypatch.setattr(compose, "CONFIGS", tmp_path / "configs")
    path = tmp_path / "configs" / "data" / "simulated.yaml"
    lines = path.read_text().splitlines()
    (number,) = (i for i, line in enumerate(lines) if line.startswith("variables:"))
    lines[number] = NINE
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("reference_frame", ["none", "last_input"])
def test_nine_channels_with_a_variable_of_three_levels(edited, reference_frame):
    experiment = config.load_experiment(["experiment=demo", f"reference_frame={reference_frame}"])
    labels = [label for group in experiment.variables.values() for label in group]
    assert len(labels) == 9
    assert [channel(label).level for label in labels[-3:]] == [500, 700, 850]
    inputs = torch.randn(2, experiment.window.num_inputs, 9, 8, 16)
    targets = torch.randn(2, experiment.window.num_targets, 9, 8, 16)
    for model in experiment.models.values():
        network = build(model.network)
        if reference_frame == "last_input":
            network.set_scale(torch.ones(9))
        objective = build(model.objective)
        objective.prepare(network)
        assert network(inputs).shape == targets.shape
        objective(network, inputs, targets)["loss"].backward()
    inner = innermost(build(experiment.models["met2net"].network))
    assert len(inner.encoders.variables) == 6
    assert inner.decoders.variables[-1][-1].out_channels == 3


def test_ablations_are_settings():
    experiment = config.load_experiment(
        [
            "experiment=demo",
            "+models.met2net.network.autoencoders=joint",
            "+models.met2net.network.variable_attention=false",
            "+models.met2net.network.periodic_longitude=true",
            "models.met2net.objective._target_="
            "met2net.training.conventional.ReconstructThenPredict",
            "+models.met2net.objective.reconstruction_share=0.5",
        ]
    )
    model = experiment.models["met2net"]
    inner = innermost(build(model.network))
    assert len(inner.encoders.variables) == 1
    assert not hasattr(inner, "attention_maps")
    assert isinstance(build(model.objective), ReconstructThenPredict)
