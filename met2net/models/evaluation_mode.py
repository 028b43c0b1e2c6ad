"""Run a network as inference does, then leave it as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["evaluation_mode"]


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Switch to eval mode without gradients; restore every part's own mode at the end."""
    was_training = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in was_training:
            part.training = training
