import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from met2net.models.blocks.attention import VariableAttention
from met2net.models.blocks.convolution import layer_plan
from met2net.models.blocks.dilated_convolution import DilatedConvolution
from met2net.models.blocks.drop_path import DropPath
from met2net.models.blocks.tau import TauBlock
from met2net.models.padding import pad_to_multiple
from tests.met2net.models.model_builders import randomize


def identity_attention(dim: int, num_heads: int) -> VariableAttention:
    """Attention whose query, key and value are the latents themselves."""
    attention = VariableAttention(dim, num_heads=num_heads)
    for part in (attention.query, attention.key, attention.value):
        part[1] = torch.nn.Identity()
        with torch.no_grad():
            part[0].weight.copy_(torch.eye(dim)[:, :, None, None])
    return attention


def test_attention_weights_by_hand():
    attention = identity_attention(1, 1)
    # Two variables, one channel, 1 x 2 points: tokens (1, 0) and (1, 1), length 2.
    latent = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).reshape(1, 2, 1, 1, 2)
    scores = np.array([[1.0, 1.0], [1.0, 2.0]]) / np.sqrt(2)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = attention.weights(latent)[0, 0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_attention_equals_scaled_dot_product_attention():
    attention = randomize(VariableAttention(8, num_heads=4))
    latent = torch.randn(2, 3, 8, 2, 5)
    folded = rearrange(latent, "b v d h w -> (b v) d h w")
    query, key, value = (
        rearrange(part(folded), "(b v) (n d) h w -> b n v (d h w)", v=3, n=4)
        for part in (attention.query, attention.key, attention.value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value)
    merged = rearrange(mixed, "b n v (d h w) -> (b v) (n d) h w", h=2, w=5)
    expected = rearrange(attention.output(merged), "(b v) d h w -> b v d h w", v=3)
    # Sums of 20 float32 products in another order.
    torch.testing.assert_close(attention(latent), expected, rtol=1e-4, atol=1e-5)


def test_tau_block_starts_near_the_identity():
    block = TauBlock(8, mlp_ratio=4, drop_path=0.0).eval()
    fields = torch.randn(2, 8, 6, 6)
    assert (block(fields) - fields).abs().mean() < 0.1 * fields.abs().mean()


def test_tau_gate_reaches_ten_points_each_way():
    block = TauBlock(2, mlp_ratio=1, drop_path=0.0)
    fields = torch.zeros(1, 2, 25, 25)
    fields[:, :, 12, 12] = 1.0
    gate = block.gate.attention
    changed = (gate(fields) - gate(torch.zeros_like(fields))).abs().sum(dim=1)[0] > 0
    rows = changed.any(dim=1).nonzero()
    # 5x5, then 7x7 with dilation 3: 2 + 9 points, so 23 in all; the paper rounds to 21.
    assert (rows.min(), rows.max()) == (1, 23)


def test_drop_path_keeps_the_mean_and_whole_samples():
    torch.manual_seed(0)
    dropped = DropPath(0.25)(torch.ones(4000, 2, 1, 1))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)  # 4000 draws: standard error 0.009


def test_drop_path_does_nothing_in_evaluation_or_at_rate_zero():
    fields = torch.randn(4, 1, 1, 1)
    assert DropPath(0.5).eval()(fields) is fields
    assert DropPath(0.0)(fields) is fields


def test_layer_plan_alternates():
    assert layer_plan(4, down_sampling=True) == ("none", "down", "none", "down")
    assert layer_plan(2, down_sampling=False) == ("none", "none")


def test_padding_by_hand():
    padded = pad_to_multiple(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 2)
    assert padded.tolist() == [[[[1, 2, 3, 3], [1, 2, 3, 3]]]]
    fitting = torch.ones(1, 1, 4, 2)
    assert pad_to_multiple(fitting, 2) is fitting


@pytest.mark.parametrize("size", [(2, 2), (4, 5), (7, 10), (21, 17)])
def test_leaving_out_taps_beyond_the_grid_changes_nothing(size: tuple[int, int]) -> None:
    convolution = DilatedConvolution(3)
    fields = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    whole = F.conv2d(fields, convolution.weight, convolution.bias, padding=9, dilation=3, groups=3)
    torch.testing.assert_close(convolution(fields), whole)
