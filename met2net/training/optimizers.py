"""Optimizers of PyTorch by name, with the arguments that settings say."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from met2net.training.settings import OptimizationSettings

__all__ = ["check_optimizer", "make_optimizer"]

_DEFAULT = "AdamW"
_SAID_ELSEWHERE = {"params": "the weights", "lr": "learning_rate", "weight_decay": "weight_decay"}


def make_optimizer(settings: OptimizationSettings, weights: Iterable[nn.Parameter]) -> Optimizer:
    """Build the optimizer that settings ask for."""
    made = _find(settings.optimizer)
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value  # betas, out of a file
        for name, value in (settings.optimizer_arguments or {}).items()
    }
    # One kernel for all weights; it would divide by the gradients' scale inside the step, which is
    # after clipping.
    if "fused" in inspect.signature(made).parameters and "fused" not in arguments:
        arguments["fused"] = settings.precision != "16-mixed"
    arguments |= {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    return made(weights, **arguments)


def check_optimizer(name: str | None, arguments: Mapping[str, Any] | None) -> None:
    """Refuse an optimizer that is not there, and arguments that it does not take.

    Raises:
        ValueError: naming the setting.
    """
    made = _find(name)
    takes = set(inspect.signature(made).parameters)
    if not {"lr", "weight_decay"} <= takes:
        raise ValueError(
            f"optimizer is {name!r}, which has no learning rate or weight decay; expected one that "
            "has both, as AdamW, SGD"
        )
    if arguments is None:
        return
    if not isinstance(arguments, Mapping):
        raise ValueError(
            f"optimizer_arguments is {arguments!r}; expected a mapping, as betas: [0.9, 0.95]"
        )
    for key in arguments:
        if key in _SAID_ELSEWHERE:
            raise ValueError(
                f"optimizer_arguments has {key}; expected {_SAID_ELSEWHERE[key]} to say it"
            )
        if key not in takes:
            raise ValueError(
                f"optimizer_arguments has {key}, which {made.__name__} does not take; expected "
                f"some of: {', '.join(sorted(takes - set(_SAID_ELSEWHERE)))}"
            )


def _find(name: str | None) -> type[Optimizer]:
    """Give the class of `torch.optim` of that name."""
    found = getattr(torch.optim, name or _DEFAULT, None)
    if not (isinstance(found, type) and issubclass(found, Optimizer) and found != Optimizer):
        raise ValueError(f"optimizer is {name!r}; expected a class of torch.optim, as AdamW, SGD")
    return found
