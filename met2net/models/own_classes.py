"""Networks, blocks and objectives from outside this package, as far as somebody allowed them.

A checkpoint names classes. Those of this package may always be built; any other only if the
process registered the class, or the caller named its module. Nothing else is imported.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from torch import nn

__all__ = ["allowed_class", "dotted_name", "register", "settings_of"]

_Class = TypeVar("_Class", bound=type)

_REGISTERED: dict[str, type[nn.Module]] = {}
"""Dotted name -> class that somebody allowed in this process."""


def register(own: _Class) -> _Class:
    """Allow a class of your own in settings and checkpoints; use it as a decorator.

    Args:
        own: a network, a block, or an `Objective`: a `torch.nn.Module` at the top of a module,
            whose arguments are keywords with plain values.

    Raises:
        TypeError: if it is no such class.
    """
    if not issubclass(own, nn.Module):
        raise TypeError(f"found {own!r}; expected a class of torch.nn.Module")
    if own.__qualname__ != own.__name__:
        raise TypeError(
            f"found {own.__qualname__}, inside another definition; expected a class at the top of "
            "a module, where a checkpoint's reader finds it"
        )
    _REGISTERED[dotted_name(own)] = own
    return own


def allowed_class(name: str, *, allow: Sequence[str]) -> type[nn.Module] | None:
    """Give a class from outside this package, or None where nobody allowed it.

    Args:
        name: dotted.
        allow: modules, and packages of modules, whose classes may be used; they are imported, and
            their classes count as registered from then on.

    Raises:
        ValueError: if the module is not there or has no such network.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    module_name, _, class_name = name.rpartition(".")
    if not any(module_name == a or module_name.startswith(f"{a}.") for a in allow):
        return None
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"_target_ is {name!r}, but there is no module {error.name!r}") from error
    target = getattr(module, class_name, None)
    if not (isinstance(target, type) and issubclass(target, nn.Module)) or (
        target.__module__ != module_name
    ):
        raise ValueError(
            f"_target_ is {name!r}, but {module_name} defines no torch.nn.Module {class_name!r}"
        )
    return register(target)


def settings_of(target: type[nn.Module], /, **arguments: Any) -> dict[str, Any]:
    """Describe a network, a block or an objective as settings that rebuild it.

    Args:
        target: its class, of this package or registered.
        arguments: keyword arguments, plain values; settings among them are of inner parts, to which
            `_partial_=True` is added where the outer part completes them.
    """
    plain = {key: dict(v) if isinstance(v, Mapping) else v for key, v in arguments.items()}
    return {"_target_": dotted_name(target), **plain}


def dotted_name(target: type) -> str:
    """Name a class as settings do, by its module and its own name."""
    return f"{target.__module__}.{target.__name__}"
