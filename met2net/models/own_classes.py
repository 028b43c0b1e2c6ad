"""Classes from outside this package that settings may name, as far as somebody allowed them.

Networks, blocks, objectives, learning-rate schedules. Those of this package may always be built;
any other only if the process registered the class, or the caller named its module. Nothing else is
imported.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

__all__ = ["allowed_class", "dotted_name", "register", "settings_of"]

_Class = TypeVar("_Class", bound=type)

_REGISTERED: dict[str, type] = {}
"""Dotted name -> class that somebody allowed in this process."""


def register(own: _Class) -> _Class:
    """Allow a class of your own in settings and checkpoints; use it as a decorator.

    Args:
        own: a network, a block, an `Objective` or a schedule of the learning rate: a class at the
            top of a module, whose objects can be called and whose arguments are keywords with
            plain values.

    Raises:
        TypeError: if it is no such class.
    """
    if not _is_called(own):
        raise TypeError(
            f"found {own!r}; expected a class whose objects can be called: of torch.nn.Module, or "
            "a schedule with __call__"
        )
    if own.__qualname__ != own.__name__:
        raise TypeError(
            f"found {own.__qualname__}, inside another definition; expected a class at the top of "
            "a module, where a checkpoint's reader finds it"
        )
    _REGISTERED[dotted_name(own)] = own
    return own


def allowed_class(name: str, *, allow: Sequence[str]) -> type | None:
    """Give a class from outside this package, or None where nobody allowed it.

    Args:
        name: dotted.
        allow: modules, and packages of modules, whose classes may be used; they are imported, and
            their classes count as registered from then on.

    Raises:
        ValueError: if the module is not there or defines no such class.
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
    if not isinstance(target, type) or target.__module__ != module_name or not _is_called(target):
        raise ValueError(
            f"_target_ is {name!r}, but {module_name} defines no class {class_name!r} whose "
            "objects can be called, as those of torch.nn.Module can"
        )
    return register(target)


def settings_of(target: type, /, **arguments: Any) -> dict[str, Any]:
    """Describe a network, a block, an objective or a schedule as settings that rebuild it.

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


def _is_called(target: type) -> bool:
    """Tell whether a class says what calling its objects does."""
    return any("__call__" in vars(base) for base in target.__mro__)
