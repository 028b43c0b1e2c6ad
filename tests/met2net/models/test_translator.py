"""What a block of the translator computes, by its formula."""

import pytest
import torch
from torch.nn.functional import group_norm

from met2net.models.blocks.spatiotemporal import SPATIOTEMPORAL_BLOCKS
from met2net.models.met2net import Met2Net
from met2net.models.translator import TranslatorBlock
from tests.met2net.models.model_builders import VARIABLES, make_met2net, randomize


def make_block(name: str, *, identities: int, num_heads: int | None = 2) -> TranslatorBlock:
    block = TranslatorBlock(
        16, num_heads=num_heads, block_name=name, mlp_ratio=None, drop_path=0.0,
        space_time_identities=identities,
    )  # fmt: skip
    return randomize(block).double().eval()


def normalized(fields: torch.Tensor, norm: torch.nn.GroupNorm) -> torch.Tensor:
    return group_norm(fields, 1, norm.weight, norm.bias)


@pytest.mark.parametrize("identities", [1, 2])
@pytest.mark.parametrize("name", SPATIOTEMPORAL_BLOCKS)
def test_the_second_half_adds_its_input_beside_what_the_block_adds_itself(name, identities):
    block = make_block(name, identities=identities)
    latent = torch.randn(2, 3, 16, 5, 6, dtype=torch.float64)
    mixed = normalized((latent + block.attention(latent)).flatten(0, 1), block.attention_norm)
    branches = block.space_time(mixed) - mixed  # every kind of block holds one identity
    expected = normalized((identities + 1) * mixed + branches, block.space_time_norm)
    torch.testing.assert_close(block(latent), expected.unflatten(0, (2, 3)), rtol=1e-9, atol=1e-9)


def test_a_block_whose_branches_are_silent_gives_back_its_normalized_input():
    block = make_block("tau", identities=2, num_heads=None)
    with torch.no_grad():
        block.space_time.gate_scale.zero_()
        block.space_time.mlp_scale.zero_()
    latent = torch.randn(1, 1, 16, 4, 4, dtype=torch.float64)
    found = block(latent)[0]
    torch.testing.assert_close(found, normalized(3 * latent[0], block.space_time_norm))


@pytest.mark.parametrize("name", SPATIOTEMPORAL_BLOCKS)
def test_a_network_is_the_released_form_unless_told_otherwise(name):
    network = make_met2net(spatiotemporal_block=name, latent_dim=16)
    assert [block.space_time_identities for block in network.translator.blocks] == [2, 2]
    older = Met2Net(
        variables=VARIABLES, num_inputs=2, num_targets=2, num_heads=2, spatial_dim=4,
        latent_dim=16, num_blocks=2, spatiotemporal_block=name, space_time_identities=1,
    )  # fmt: skip
    assert [block.space_time_identities for block in older.translator.blocks] == [1, 1]
