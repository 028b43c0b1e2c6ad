import numpy as np
import pytest
import torch
from torch import nn

from met2net.analysis.cka import CkaAccumulator
from met2net.analysis.feature_hooks import layer_features, listed_layers, matching_layers
from tests.met2net.models.baseline_catalogue import BASELINES, make_tiny
from tests.met2net.models.model_builders import (
    is_same,
    make_batch,
    make_met2net,
    make_reference_frame,
    randomize,
    snapshot,
)

NETWORKS = {name: lambda name=name: make_tiny(name) for name in BASELINES} | {
    "met2net": make_met2net,
    "reference_frame": make_reference_frame,
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def make_network(name: str) -> nn.Module:
    network = randomize(NETWORKS[name]()).eval()
    return network


class Toy(nn.Module):
    """Calls one cell three times, folds time into the batch, has layers of several outputs."""

    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList([nn.Linear(2, 3)])
        self.folded = nn.Identity()
        self.pair = _Pair()
        self.in_place = nn.ReLU(inplace=True)
        self.unused = nn.Linear(1, 1)
        self.counts = _Counts()

    def forward(self, inputs):  # (B, T, 2)
        for time in range(inputs.shape[1]):
            self.cells[0](inputs[:, time])
        folded = self.folded(inputs.flatten(0, 1))
        self.in_place(self.pair(folded)["first"])
        return self.counts(folded)


class _Pair(nn.Module):
    def forward(self, x):
        return {"first": x - 1, "rest": (x + 1, [2 * x])}


class _Counts(nn.Module):
    def forward(self, x):
        return torch.arange(len(x))


TOY_INPUTS = torch.arange(12.0).reshape(2, 3, 2)


def test_a_layer_that_runs_often_gives_all_its_outputs_side_by_side():
    toy = Toy().eval()
    features = layer_features(toy, TOY_INPUTS, layers=["cells.0"])["cells.0"]
    expected = [toy.cells[0](TOY_INPUTS[:, time]) for time in range(3)]
    torch.testing.assert_close(features, torch.cat(expected, dim=1))


def test_frames_folded_into_the_batch_are_laid_beside_their_sample():
    features = layer_features(Toy().eval(), TOY_INPUTS, layers=["folded"])["folded"]
    assert torch.equal(features, TOY_INPUTS.flatten(1))


def test_all_outputs_are_kept_as_they_were_before_the_next_layer_wrote_over_them():
    features = layer_features(Toy().eval(), TOY_INPUTS, layers=["pair"])["pair"]
    x = TOY_INPUTS.flatten(1)
    assert torch.equal(features, torch.cat([x - 1, x + 1, 2 * x], dim=1))


def test_layers_that_cannot_be_compared_are_refused():
    toy = Toy().eval()
    with pytest.raises(ValueError, match="no layer nowhere"):
        layer_features(toy, TOY_INPUTS, layers=["nowhere"])
    with pytest.raises(ValueError, match="unused gave no tensor; expected it to run"):
        layer_features(toy, TOY_INPUTS, layers=["unused"])
    with pytest.raises(ValueError, match="counts gave torch.int64; expected real numbers"):
        layer_features(toy, TOY_INPUTS, layers=["counts"])
    with pytest.raises(ValueError, match="in training mode; expected eval"):
        layer_features(toy.train(), TOY_INPUTS, layers=["folded"])
    cut = nn.Sequential(nn.Flatten(0), _Cut()).eval()
    with pytest.raises(ValueError, match=r"1 gave \(15,\); expected a multiple of 2 rows"):
        layer_features(cut, torch.ones(2, 8), layers=["1"])


class _Cut(nn.Module):
    def forward(self, x):
        return x[:15]


def test_hooks_are_gone_after_an_error():
    toy = Toy().eval()
    with pytest.raises(IndexError):
        layer_features(toy, torch.zeros(2), layers=["folded"])
    assert not toy.folded._forward_hooks


def test_layers_are_found_by_pattern_in_the_order_of_definition():
    network = make_met2net()
    found = matching_layers(network, ["translator.blocks.?", "encoders.variables.?"])
    encoders = ["encoders.variables.0", "encoders.variables.1"]
    assert found == [*encoders, "translator.blocks.0", "translator.blocks.1"]
    with pytest.raises(ValueError, match="no layer matches 'blocks.9'; found: encoders"):
        matching_layers(network, ["blocks.9"])


def test_listed_layers_are_the_stages_of_a_network():
    assert listed_layers(make_tiny("simvp", variables={"a": ["a"]}))[:2] == [
        "encoder.0", "encoder.1",
    ]  # fmt: skip
    assert listed_layers(make_tiny("predrnn")) == ["cells.0", "cells.1"]
    assert listed_layers(make_met2net())[:2] == ["encoders.variables.0.0", "encoders.variables.0.1"]
    assert listed_layers(make_met2net(), within="translator") == [
        "translator.blocks.0", "translator.blocks.1",
    ]  # fmt: skip
    assert listed_layers(Toy()) == ["cells.0"]
    assert listed_layers(_Plain()) == ["first", "second"]
    with pytest.raises(ValueError, match="no layer nowhere"):
        listed_layers(Toy(), within="nowhere")
    with pytest.raises(ValueError, match="folded has no layers; expected at least one"):
        listed_layers(Toy(), within="folded")


class _Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)


@every_network
def test_every_network_gives_cka_between_its_layers(name):
    network = make_network(name)
    inputs, _ = make_batch(batch=6)
    before, expected = snapshot(network), network(inputs)
    layers = listed_layers(network)
    features = layer_features(network, inputs, layers=layers)
    assert list(features) == layers and len(layers) > 1
    assert all(len(rows) == 6 for rows in features.values())
    accumulator = CkaAccumulator()
    accumulator.add_layers(list(features.values()))
    cka = accumulator.finish()
    np.testing.assert_allclose(np.diagonal(cka), 1.0)
    np.testing.assert_allclose(cka, cka.T)
    # Nothing of the network has changed.
    assert is_same(before, snapshot(network)) and not network.training
    assert torch.equal(network(inputs), expected)


@every_network
def test_a_sample_s_features_do_not_depend_on_the_rest_of_the_batch(name):
    network = make_network(name)
    inputs, _ = make_batch(batch=4)
    layers = listed_layers(network)
    whole = layer_features(network, inputs, layers=layers)
    part = layer_features(network, inputs[1:3], layers=layers)
    for layer in layers:
        torch.testing.assert_close(part[layer], whole[layer][1:3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BASELINES)
def test_two_single_variable_networks_are_compared_layer_by_layer_and_variable_by_variable(name):
    inputs, _ = make_batch(batch=6, channels=2)
    features = []
    for number, variable in enumerate(("t2m", "tcc")):
        network = randomize(make_tiny(name, variables={variable: [variable]}), seed=number).eval()
        layers = listed_layers(network)
        own = inputs[:, :, [number]]
        features += layer_features(network, own, layers=layers).values()
    accumulator = CkaAccumulator()
    accumulator.add_layers(features)
    cka = accumulator.finish()
    count = len(layers)
    assert cka.shape == (2 * count, 2 * count)
    between_variables = cka[:count, count:]
    defined = np.isfinite(between_variables)
    assert defined.any() and (np.abs(between_variables[defined]) <= 1 + 1e-9).all()
