"""A network, a block, an objective and a schedule from outside the package, trained with."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from met2net import (
    Forecaster,
    Met2Net,
    OptimizationSettings,
    TrainingSet,
    WindowSpec,
    load_checkpoint,
    register,
    settings_of,
    train,
)  # fmt: skip
from met2net.models import own_classes
from met2net.training.schedule import cycles_factor, schedule_of
from tests.met2net.test_public_names import odd_weather

CODE = '''
"""Somebody's own network, block and objective."""

import torch
from torch import nn

from met2net import Objective


class Drift(nn.Module):
    """Add a step a channel to the last frame."""

    def __init__(self, *, variables, num_inputs, num_targets):
        super().__init__()
        self.num_targets = num_targets
        self.step = nn.Parameter(torch.zeros(sum(map(len, variables.values()))))

    def forward(self, inputs):
        steps = torch.arange(1, self.num_targets + 1)[:, None, None, None]
        return inputs[:, -1:] + steps * self.step[:, None, None]


class Shift(nn.Module):
    """A block of one convolution."""

    def __init__(self, dim, *, drop_path):
        super().__init__()
        self.mix = nn.Conv2d(dim, dim, 1)

    def forward(self, latent):
        return latent + self.mix(latent)


class MeanAbsoluteError(Objective):
    """The mean absolute error of the forecast."""

    def forward(self, network, inputs, targets, init_time=None):
        return {"loss": (network(inputs) - targets).abs().mean()}


class Halving:
    """A learning rate that halves at every step, from a share of the largest one on."""

    def __init__(self, *, start):
        self.start = start

    def __call__(self, step, *, total_steps):
        return self.start / 2**step


class NoNetwork:
    pass
'''
WINDOW = WindowSpec.regular(num_inputs=2, num_targets=2)
ONE_EPOCH = OptimizationSettings(
    learning_rate=1e-2, schedule="constant", max_epochs=1, batch_size=64, optimizer="SGD",
    optimizer_arguments={"momentum": 0.5},
)  # fmt: skip


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody's module, and nothing registered before or after."""
    (tmp_path / "my_networks.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(own_classes, "_REGISTERED", {})
    module = importlib.import_module("my_networks")
    yield module
    del sys.modules["my_networks"]


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    return TrainingSet.from_dataset(
        odd_weather(),
        variables={"t2m": ["t2m"]},
        names={"t2m": "T_2M"},
        splits={
            "train": ("2020-01-01", "2020-01-08"),
            "validation": ("2020-01-09", "2020-01-10"),
            "test": ("2020-01-11", "2020-01-12"),
        },
    )


def test_an_own_network_and_objective_are_trained_saved_and_loaded(mine, data, tmp_path) -> None:
    register(mine.Drift)
    forecaster = train(
        data, window=WINDOW, network=settings_of(mine.Drift), optimization=ONE_EPOCH,
        objective=register(mine.MeanAbsoluteError)(),
    )  # fmt: skip
    assert forecaster.checkpoint.network.step.item() != 0
    path = tmp_path / "mine.safetensors"
    forecaster.save(path)
    inputs = np.full((1, 2, 1, 4, 5), 290, np.float32)
    before = forecaster.predict(inputs)

    own_classes._REGISTERED.clear()
    with pytest.raises(ValueError, match=r"'my_networks.Drift'.*register.*allow=\['my_networks'\]"):
        load_checkpoint(path)
    loaded = Forecaster.load(path, allow=["my_networks"])
    np.testing.assert_array_equal(loaded.predict(inputs), before)
    loaded.save(path)  # what was allowed once may be written again


def test_nothing_is_imported_that_nobody_allowed(mine, data, tmp_path, monkeypatch) -> None:
    register(mine.Drift)
    path = tmp_path / "mine.safetensors"
    train(
        data, window=WINDOW, network=settings_of(mine.Drift), optimization=ONE_EPOCH
    ).save(path)  # fmt: skip
    own_classes._REGISTERED.clear()
    monkeypatch.delitem(sys.modules, "my_networks")
    for allow in ((), ["my"], ["my_networks.inner"]):
        with pytest.raises(ValueError, match="expected a class inside met2net.models"):
            load_checkpoint(path, allow=allow)
    assert "my_networks" not in sys.modules
    load_checkpoint(path, allow=["my_networks"])
    assert "my_networks" in sys.modules


def test_an_own_block_stands_in_met2net(mine, data, tmp_path) -> None:
    block = settings_of(register(mine.Shift), _partial_=True)
    sizes = {"spatial_dim": 2, "latent_dim": 8, "num_blocks": 1, "num_heads": 2}
    network = settings_of(Met2Net, spatiotemporal_block=block, **sizes)
    forecaster = train(data, window=WINDOW, network=network, optimization=ONE_EPOCH)
    forecaster.save(tmp_path / "mine.safetensors")
    own_classes._REGISTERED.clear()
    loaded = load_checkpoint(tmp_path / "mine.safetensors", allow=["my_networks"])
    blocks = loaded.network.translator.blocks
    assert [type(block.space_time).__name__ for block in blocks] == ["Shift"]
    own, kept = (x.network.state_dict() for x in (forecaster.checkpoint, loaded))
    assert all(torch.equal(own[name], kept[name]) for name in own)


def test_an_own_schedule_says_the_factor_of_every_step(mine, data) -> None:
    with pytest.raises(ValueError, match=r"^schedule: _target_ is 'my_networks.Halving'; .*regist"):
        replace(ONE_EPOCH, schedule=settings_of(mine.Halving, start=1.0))
    register(mine.Halving)
    schedule = schedule_of(replace(ONE_EPOCH, schedule=settings_of(mine.Halving, start=0.5)))
    assert [schedule(step, total_steps=3) for step in range(3)] == [0.5, 0.25, 0.125]
    # One step of SGD, without momentum yet: as far as its factor says.
    steps = []
    for start in (1.0, 0.5, 0.0):
        one_step = replace(
            ONE_EPOCH, batches_per_epoch=1, schedule=settings_of(mine.Halving, start=start)
        )
        network = settings_of(register(mine.Drift))
        trained = train(data, window=WINDOW, network=network, optimization=one_step)
        steps.append(trained.checkpoint.network.step.item())
    assert steps[0] != 0 and steps[2] == 0
    assert steps[1] == pytest.approx(steps[0] / 2)


def test_a_wrong_schedule_is_refused_before_training(mine) -> None:
    register(mine.Halving)
    register(mine.MeanAbsoluteError)
    for wrong, message in (
        ({}, "schedule: settings have no _target_"),
        (settings_of(mine.Halving, begin=1), "schedule: arguments of Halving do not fit"),
        (settings_of(mine.Halving, _partial_=True, start=1), "schedule is partial"),
        (settings_of(mine.NoNetwork), "schedule: _target_ is 'my_networks.NoNetwork'; expected"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(ONE_EPOCH, schedule=wrong)
    for start in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="at step 0 of 2; expected a factor of the learning"):
            cycles_factor(0, cycles=[2], schedule=mine.Halving(start=start))


def test_only_what_can_be_called_can_be_registered(mine) -> None:
    with pytest.raises(TypeError, match="NoNetwork.*expected a class whose objects can be called"):
        register(mine.NoNetwork)

    class Inside(torch.nn.Module):
        pass

    with pytest.raises(TypeError, match="inside another definition; expected a class at the top"):
        register(Inside)


def test_an_allowed_module_must_define_the_class(mine) -> None:
    for name, message in (
        ("my_networks.Missing", "my_networks defines no class 'Missing'"),
        ("my_networks.NoNetwork", "my_networks defines no class 'NoNetwork'"),
        ("my_networks.nn", "my_networks defines no class 'nn'"),
        ("my_networks.Objective", "my_networks defines no class 'Objective'"),
        ("my_network.Drift", "there is no module 'my_network'"),
    ):
        with pytest.raises(ValueError, match=message):
            own_classes.allowed_class(name, allow=["my_networks", "my_network"])
