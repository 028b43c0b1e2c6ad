"""Tiny networks and batches, shared by the tests of models and training."""

from functools import partial

import torch
from torch import Tensor, nn

from met2net.models.met2net import Met2Net
from met2net.models.reference_frame import ReferenceFrame

VARIABLES = {"uv10": ["u10", "v10"], "t2m": ["t2m"]}
SIZES = {"spatial_dim": 4, "latent_dim": 8, "num_blocks": 2, "num_scales": 2}
MET2NET_SETTINGS = {
    "_target_": "met2net.models.met2net.Met2Net",
    "variables": VARIABLES,
    "num_inputs": 2,
    "num_targets": 2,
    "num_heads": 2,
    **SIZES,
}


def make_met2net(*, num_targets: int = 2, num_inputs: int = 2, seed: int = 0, **changes) -> Met2Net:
    torch.manual_seed(seed)
    settings = {"variables": VARIABLES, "num_heads": 2, **SIZES, **changes}
    return Met2Net(num_inputs=num_inputs, num_targets=num_targets, **settings)


def make_reference_frame(*, seed: int = 0) -> ReferenceFrame:
    torch.manual_seed(seed)
    inner = partial(Met2Net, num_inputs=2, num_targets=2, num_heads=2, **SIZES)
    network = ReferenceFrame(variables=VARIABLES, forecaster=inner)
    network.set_scale(torch.tensor([0.5, 0.25, 2.0]))
    return network


def make_batch(
    *, batch: int = 2, num_inputs: int = 2, num_targets: int = 2, grid=(4, 6), channels: int = 3
) -> tuple[Tensor, Tensor]:
    frames = torch.randn(
        batch,
        num_inputs + num_targets,
        channels,
        *grid,
        generator=torch.Generator().manual_seed(1),
    )
    return frames[:, :num_inputs], frames[:, num_inputs:]


def randomize(network: nn.Module, *, seed: int = 5) -> nn.Module:
    """Give every weight a value that matters: fresh ones hide whole branches behind zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    return network


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def is_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
