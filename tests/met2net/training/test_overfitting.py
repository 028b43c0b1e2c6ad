"""One batch learnt by heart, in every ablation setting."""

import pytest
import torch

from met2net.training.conventional import ReconstructThenPredict
from met2net.training.objective import EndToEnd
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import make_batch, make_met2net

SINGLE = {"u10": ["u10"], "v10": ["v10"], "t2m": ["t2m"]}
STEPS = 400


@pytest.mark.parametrize(
    ("objective", "network"),
    [
        (EndToEnd(), {}),
        (EndToEnd(channel_weights={"t2m": 2.0}), {"variable_attention": False}),
        (TwoStage(translator_momentum=0.5), {}),
        (TwoStage(translator_momentum=0.9, autoencoder_momentum=0.9), {}),
        (TwoStage(translator_momentum=0.5), {"variable_attention": False}),
        (TwoStage(translator_momentum=0.5), {"autoencoders": "joint"}),
        (TwoStage(translator_momentum=0.5), {"autoencoders": "shared", "variables": SINGLE}),
        (TwoStage(translator_momentum=0.5), {"periodic_longitude": True}),
        (ReconstructThenPredict(reconstruction_steps=100), {}),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, torch.nn.Module) else "-".join(x) or "default",
)
def test_every_loss_falls_a_hundred_times_on_one_batch(objective, network):
    network = make_met2net(spatial_dim=8, latent_dim=16, drop_path=0.0, **network).train()
    inputs, targets = make_batch(batch=1)
    objective.prepare(network)
    objective.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-2, total_steps=STEPS)
    first: dict[str, float] = {}
    smallest: dict[str, float] = {}
    for _ in range(STEPS):
        optimizer.zero_grad()
        for stage in objective.stages(network, inputs, targets):
            stage.pop("loss").backward()
            for name, loss in stage.items():
                value = loss.item()
                first.setdefault(name, value)
                smallest[name] = min(smallest.get(name, value), value)
        optimizer.step()
        schedule.step()
        objective.after_step(network)
        is_last_phase = len(first) == len(expected_losses(objective))
        if is_last_phase and all(smallest[name] < 0.01 * first[name] for name in first):
            return
    pytest.fail(f"losses were {first} and fell to {smallest}")


def expected_losses(objective) -> set[str]:
    if isinstance(objective, TwoStage):
        return {"prediction_loss", "latent_loss"}
    if isinstance(objective, ReconstructThenPredict):
        return {"reconstruction_loss", "latent_loss"}
    return {"prediction_loss"}
