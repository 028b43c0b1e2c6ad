"""The layer of encoders and decoders: order in memory, and what it keeps."""

import pytest
import torch
from torch import Tensor

from met2net.models.blocks import convolution
from met2net.models.blocks.convolution import ConvLayer
from met2net.models.blocks.memory_order import channels_last, has_channels_last
from met2net.models.padding import _has_channels_last


def _gradients(layer: ConvLayer, fields: Tensor) -> list[Tensor]:
    """Give the output and every gradient of one pass."""
    layer.zero_grad()
    output = layer(fields)
    output.square().sum().backward()
    return [output.detach(), *(w.grad.clone() for w in layer.parameters() if w.grad is not None)]


def test_a_large_layer_keeps_less_for_the_backward_pass_and_computes_the_same(monkeypatch):
    torch.manual_seed(0)
    layer, fields = ConvLayer(3, 8), torch.randn(2, 3, 8, 8)
    kept: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    found, sizes = [], []
    for limit in (2 * 8 * 8 * 8, 2 * 8 * 8 * 8 - 1):
        monkeypatch.setattr(convolution, "_SMALL", limit)
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            layer(fields)
        sizes.append(sum(kept))
        found.append(_gradients(layer, fields))
    small, large = found
    assert all(torch.equal(a, b) for a, b in zip(small, large, strict=True))
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_lie_last_and_convolutions_keep_them_there(channels):
    torch.manual_seed(0)
    fields = torch.randn(2, 5, 6, 7)[:, :channels]
    last = channels_last(fields)
    assert torch.equal(last, fields) and last.stride() == (42 * channels, 1, 7 * channels, channels)
    output = ConvLayer(channels, 4)(last)
    assert has_channels_last(output)
    assert _has_channels_last(last)  # by which padding round the globe keeps them, too
