"""`docs/adding_a_model.md` is run as it stands."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

import met2net.models.baselines
from flows.settings import compose, config
from met2net.models.build import build
from met2net.models.wrapper import innermost

PAGE = Path(__file__).parents[3] / "docs" / "adding_a_model.md"


def block(language: str) -> str:
    """The page's only code block in a language."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


@pytest.fixture
def researcher(tmp_path, monkeypatch):
    """Put the file and the YAML where the page says, in copies of the two folders."""
    (tmp_path / "local_tendency.py").write_text(block("python"))
    places = [*met2net.models.baselines.__path__, str(tmp_path)]
    monkeypatch.setattr(met2net.models.baselines, "__path__", places)
    shutil.copytree(compose.CONFIGS, tmp_path / "configs")
    (tmp_path / "configs" / "model" / "local_tendency.yaml").write_text(block("yaml"))
    monkeypatch.setattr(compose, "CONFIGS", tmp_path / "configs")
    yield
    sys.modules.pop("met2net.models.baselines.local_tendency", None)


def settings(*overrides: str) -> config.ModelSettings:
    """What the page's command composes."""
    (command,) = (line for line in block("shell").splitlines() if line)
    experiment = config.load_experiment([*command.split()[3:], *overrides])
    return experiment.models["local_tendency"]


def test_the_example_is_about_thirty_lines():
    assert len(block("python").splitlines()) <= 32


@pytest.mark.parametrize("reference_frame", ["none", "last_input"])
def test_the_example_composes_builds_and_learns(researcher, reference_frame):
    model = settings(f"reference_frame={reference_frame}")
    torch.manual_seed(0)
    network = build(model.network)
    if reference_frame == "last_input":
        assert innermost(network).look.out_channels == 16
        network.set_scale(torch.ones_like(network.scale))
    objective = build(model.objective)
    node = model.network
    while "forecaster" in node:
        node = node["forecaster"]
    channels = sum(len(labels) for labels in model.network["variables"].values())
    frames = torch.randn(
        2, node["num_inputs"] + node["num_targets"], channels, 6, 8,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    inputs, targets = frames.split([node["num_inputs"], node["num_targets"]], dim=1)
    assert network(inputs).shape == targets.shape
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = objective(network, inputs, targets)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
