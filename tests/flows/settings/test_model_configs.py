"""Every file of `configs/model` builds a network of the size that it says."""

import pytest
import torch

from flows.settings.compose import CONFIGS
from flows.settings.config import load_experiment
from met2net.models.build import build
from met2net.models.wrapper import innermost

PUBLISHED_DROP_PATH = {
    "convnext": 0.1, "hornet": 0.1, "moganet": 0.2, "poolformer": 0.1, "simvpv2": 0.1, "tau": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONFIGS / "model").glob("*.yaml")))
def test_every_model_composes_and_builds(name: str) -> None:
    overrides = [f"+model@models.one={name}", "reference_frame=none"]
    model = load_experiment(overrides).models["one"]
    with torch.device("meta"):
        network = build(model.network)
        objective = build(model.objective)
    assert hasattr(objective, "prepare")
    assert sum(weight.numel() for weight in network.parameters()) > 0
    if name in PUBLISHED_DROP_PATH:
        rates = [
            part.rate for part in innermost(network).blocks[-1].modules() if hasattr(part, "rate")
        ]
        assert rates and all(rate == PUBLISHED_DROP_PATH[name] for rate in rates)
