"""Inference parameters against those counted on the released implementation.

The released TAU block declares a squeeze-excite branch that its forward never uses: two
bias-free linear layers, D -> 16 -> D, 2 * 16 * D weights a block (8,192 at D = 256). Ours
leaves it out; the counts below add it back.
"""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from met2net.models.baselines.metaformer import TAU
from met2net.models.met2net import Met2Net


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def dead_branch(dim: int) -> int:
    return 2 * 16 * dim


def single_channels(number: int) -> dict[str, list[str]]:
    return {f"v{i}": [f"v{i}"] for i in range(number)}


WIND = {"uv10": ["u10", "v10"], "t2m": ["t2m"], "tcc": ["tcc"], "r1000": ["r1000"]}
ROWS = [  # variables, frames, num_scales, spatial_dim, latent_dim, parts, total
    (single_channels(8), 12, 2, 32, 256, (77_568, 371_208, 8_417_920), 8_866_696),
    (single_channels(5), 12, 2, 32, 256, (48_480, 232_005, 8_417_920), 8_698_405),
    (single_channels(4), 12, 2, 32, 256, (38_784, 185_604, 8_417_920), 8_642_308),
    (WIND, 12, 2, 32, 256, None, 8_642_629),
    (single_channels(4), 12, 4, 32, 256, (113_280, 371_076, 8_417_920), 8_902_276),
    (single_channels(3), 10, 4, 64, 512, (335_808, 1_109_571, 32_826_496), 34_271_875),
]


@pytest.mark.parametrize(
    ("variables", "frames", "num_scales", "spatial_dim", "latent_dim", "parts", "total"), ROWS
)
def test_met2net_has_the_released_counts(
    variables, frames, num_scales, spatial_dim, latent_dim, parts, total
):
    with torch.device("meta"):
        network = Met2Net(
            variables=variables,
            num_inputs=frames,
            num_targets=frames,
            spatial_dim=spatial_dim,
            latent_dim=latent_dim,
            num_blocks=8,
            num_scales=num_scales,
        )
    dead = 8 * dead_branch(latent_dim)
    assert count(network) + dead == total
    if parts is not None:
        encoders, decoders, translator = parts
        assert count(network.encoders) == encoders
        assert count(network.decoders) == decoders
        assert count(network.translator) + dead == translator


def test_tau_has_the_published_count():
    with torch.device("meta"):
        network = TAU(variables={"t2m": ["t2m"]}, num_inputs=12, num_targets=12)
    dead = dead_branch(12 * 32) + 7 * dead_branch(256)  # the first block is T * spatial_dim wide
    assert count(network) == 12_149_921
    assert count(network) + dead == pytest.approx(12.22e6, rel=5e-3)
    # Counted by hand with the branch as D -> D/16 -> D, which 384 channels make wider.
    assert count(network) + 2 * 24 * 384 + 7 * dead_branch(256) == 12_225_697


@pytest.mark.parametrize(
    ("num_scales", "grid", "multiply_adds"), [(2, (32, 64), 19.07e9), (4, (128, 128), 56.46e9)]
)
def test_met2net_has_the_released_multiply_adds(num_scales, grid, multiply_adds):
    with torch.device("meta"):
        network = Met2Net(
            variables=single_channels(4), num_inputs=12, num_targets=12, num_scales=num_scales
        ).eval()
        inputs = torch.empty(1, 12, 4, *grid)
    with FlopCounterMode(display=False) as counter:
        network(inputs)
    # Published to two decimals of 1e9; the counter takes a multiply-add for two operations.
    assert counter.get_total_flops() / 2 == pytest.approx(multiply_adds, abs=0.005e9)
