"""Networks whose first forecast is zero: training then starts from what they correct."""

import torch
from torch import nn

__all__ = ["output_layers", "start_from_zero"]


def output_layers(network: nn.Module) -> list[nn.Module]:
    """Give the layers whose outputs are a network's forecast; none where it does not say."""
    layers: list[nn.Module] = getattr(network, "output_layers", [])
    return layers


def start_from_zero(network: nn.Module) -> None:
    """Set the weights of a network's output layers to zero.

    The first steps then improve the reference instead of undoing the noise of random weights.
    Source: Zhang, Dauphin and Ma 2019, arXiv:1901.09321, section 3.
    """
    with torch.no_grad():
        for layer in output_layers(network):
            for weight in layer.parameters():
                weight.zero_()
