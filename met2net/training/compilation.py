"""Training with compiled parts of a network."""

from contextlib import AbstractContextManager

import torch
from torch import nn

from met2net.models.baselines.per_variable import PerVariable
from met2net.models.wrapper import innermost
from met2net.training.repeated_blocks import holds_blocks

__all__ = ["compile_parts", "eager"]


def compile_parts(
    network: nn.Module, *, copies: nn.Module | None = None, backend: str = "inductor"
) -> int:
    """Compile a network's parts in place, with `torch.compile`; weights keep their names.

    Parts, not the whole, since objectives call encoders, translator and decoders by
    themselves. Repeated blocks are alike, so one compilation serves all of them. Parts are
    compiled when they first run.

    Args:
        network: its parts are compiled.
        copies: an objective, whose copies of parts are compiled too.
        backend: of `torch.compile`; `inductor` needs a C++ compiler.

    Returns:
        Number of compiled parts.
    """
    parts = [part for inner in _innermost(network) for part in _parts(inner)]
    parts += [] if copies is None else _parts(copies)
    for part in parts:
        part.compile(backend=backend)
    return len(parts)


def eager() -> AbstractContextManager[object]:
    """Run compiled parts as plain PyTorch inside this context."""
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance


def _innermost(network: nn.Module) -> list[nn.Module]:
    """Look through wrappers."""
    network = innermost(network)
    if isinstance(network, PerVariable):
        return [inner for each in network.forecasters for inner in _innermost(each)]
    return [network]


def _parts(module: nn.Module) -> list[nn.Module]:
    """Give the children that have weights; of lists and of what holds blocks, their children."""
    parts: list[nn.Module] = []
    for child in module.children():
        if isinstance(child, nn.ModuleList) or holds_blocks(child):
            parts += _parts(child)
        elif any(True for _ in child.parameters()):
            parts.append(child)
    return parts
