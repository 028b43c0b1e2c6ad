"""The blocks that make up most of a network, as memory and compilation see them."""

from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from met2net.models.blocks.function_transforms import is_transformed

__all__ = ["holds_blocks", "recompute_activations"]


def holds_blocks(module: nn.Module) -> bool:
    """Tell whether a module runs a list of `blocks` one after the other."""
    return isinstance(getattr(module, "blocks", None), nn.ModuleList)


def recompute_activations(module: nn.Module) -> int:
    """Keep of every block only its input for the backward pass, and compute the rest again.

    Memory falls by what blocks hold, a step takes about a third longer, and results are
    the same: random numbers are those of the first pass, and running statistics of batch
    normalizations are not moved twice. Weights keep their names.
    Source: Chen et al. 2016, arXiv:1604.06174.

    Args:
        module: a network, or a `ForecastModule` with its copies.

    Returns:
        Number of blocks.

    Raises:
        ValueError: if there is no block: nothing would change.
    """
    blocks = [b for part in module.modules() if holds_blocks(part) for b in _blocks(part)]
    if not blocks:
        raise ValueError(
            f"recompute_activations: {type(module).__name__} has no repeated blocks; expected "
            "a network with a list of `blocks`, as Met2Net or TAU"
        )
    for block in blocks:
        # A bound method, so that a copy of the block is bound to the copy's own weights.
        block.forward = MethodType(_recomputed_forward, block)
    return len(blocks)


def _blocks(module: nn.Module) -> nn.ModuleList:
    blocks = module.blocks
    assert isinstance(blocks, nn.ModuleList)
    return blocks


def _recomputed_forward(block: nn.Module, *inputs: Any) -> Any:
    """Run a block inside a checkpoint where gradients are wanted."""
    forward = partial(type(block).forward, block)
    if not torch.is_grad_enabled() or is_transformed():
        return forward(*inputs)
    if torch.compiler.is_compiling():  # which keeps track of statistics itself
        return checkpoint(forward, *inputs, use_reentrant=False)
    return checkpoint(
        forward, *inputs, use_reentrant=False,
        context_fn=lambda: (_Nothing(), _StatisticsKept(block)),
    )  # fmt: skip


class _Nothing:
    """Does nothing during the first pass."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class _StatisticsKept:
    """Puts buffers back as they were before the second pass, which would move them again."""

    def __init__(self, block: nn.Module) -> None:
        self._block = block
        self._kept: list[tuple[Tensor, Tensor]] = []

    def __enter__(self) -> None:
        self._kept = [(buffer, buffer.clone()) for buffer in self._block.buffers()]

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for buffer, value in self._kept:
                buffer.copy_(value)
