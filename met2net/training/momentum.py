"""Copies of a network that follow it slowly, or at once."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["copy_weights", "momentum_copy", "update_momentum"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def momentum_copy(online: ModuleT) -> ModuleT:
    """Copy a network for momentum updates: no weight gradients, no statistics of its own.

    In training the copy's batch normalizations use batch statistics, but keep none: its
    buffers change only by `update_momentum`.
    """
    target = copy.deepcopy(online).requires_grad_(False)
    for part in target.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.momentum = 0.0  # a forward pass then leaves the running statistics as they are
    return target


@torch.no_grad()
def update_momentum(target: nn.Module, online: nn.Module, *, momentum: float) -> None:
    """Average weights and buffers: target <- momentum * target + (1 - momentum) * online.

    Integer buffers (counters) are copied. Source: He et al. 2020, arXiv:1911.05722, equation 2.

    Raises:
        ValueError: if the momentum is outside [0, 1] or the networks have different tensors.
    """
    check_momentum("momentum", momentum)
    for following, leading in _pairs(target, online):
        if following.is_floating_point():
            following.lerp_(leading, 1 - momentum)
        else:
            following.copy_(leading)


@torch.no_grad()
def copy_weights(target: nn.Module, online: nn.Module) -> None:
    """Make all weights and buffers of `target` equal to those of `online`.

    Raises:
        ValueError: if the networks have different tensors.
    """
    for following, leading in _pairs(target, online):
        following.copy_(leading)


def check_momentum(name: str, momentum: float) -> None:
    """Refuse a momentum outside [0, 1].

    Raises:
        ValueError: naming the setting.
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"{name} is {momentum}; expected 0 <= momentum <= 1")


def _pairs(target: nn.Module, online: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Match weights and buffers by name."""
    tensors = [
        dict(network.named_parameters()) | dict(network.named_buffers())
        for network in (target, online)
    ]
    shapes = [{name: tuple(t.shape) for name, t in group.items()} for group in tensors]
    if shapes[0] != shapes[1]:
        differing = {name for name, _ in shapes[0].items() ^ shapes[1].items()}
        raise ValueError(f"networks differ in {', '.join(sorted(differing))}; expected equal ones")
    return [(tensors[0][name], tensors[1][name]) for name in tensors[0]]
