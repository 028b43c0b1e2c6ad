"""Build networks and objectives from plain settings, as a checkpoint carries them."""

import functools
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

__all__ = ["build", "find_class"]

_ALLOWED = ("met2net.models.", "met2net.training.")


def build(settings: Mapping[str, Any]) -> Any:
    """Call the class that settings name, inner nodes first.

    A node is a mapping with `_target_`, a dotted name inside `met2net.models` or
    `met2net.training`; its other keys are keyword arguments. With `_partial_: true` it gives
    a `functools.partial`, to be completed by the outer node. Hydra's `instantiate` reads such
    settings alike; a checkpoint is rebuilt without it and can name no other code.

    Raises:
        ValueError: if a target is unknown or not allowed, or arguments are unknown or missing.
    """
    if "_target_" not in settings:
        raise ValueError(f"settings have no _target_; found: {', '.join(settings) or 'nothing'}")
    target = find_class(settings["_target_"])
    is_partial = settings.get("_partial_", False)
    if not isinstance(is_partial, bool):
        raise ValueError(f"_partial_ is {is_partial!r}; expected true or false")
    arguments = {
        key: _build_value(value)
        for key, value in settings.items()
        if key not in ("_target_", "_partial_")
    }
    _check_arguments(target, arguments, is_partial=is_partial)
    return functools.partial(target, **arguments) if is_partial else target(**arguments)


def _build_value(value: Any) -> Any:
    """Build nodes inside a value; leave the rest as it is."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            return build(value)
        return {key: _build_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_build_value(item) for item in value]
    return value


def find_class(name: Any) -> type:
    """Import the class of a dotted name.

    Raises:
        ValueError: if there is none, or it is not allowed.
    """
    if not isinstance(name, str) or not name.startswith(_ALLOWED):
        raise ValueError(
            f"_target_ is {name!r}; expected a class inside {' or '.join(p[:-1] for p in _ALLOWED)}"
        )
    module_name, _, class_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"_target_ is {name!r}, but there is no module {error.name!r}") from error
    target = getattr(module, class_name, None)
    # A name that the module has only imported could lead to any code.
    if not isinstance(target, type) or target.__module__ != module_name:
        raise ValueError(f"_target_ is {name!r}, but {module_name} defines no class {class_name!r}")
    return target


def _check_arguments(target: type, arguments: Mapping[str, Any], *, is_partial: bool) -> None:
    """Refuse unknown and missing keyword arguments."""
    parameters = inspect.signature(target).parameters
    unknown = sorted(set(arguments) - set(parameters))
    required = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty]
    missing = [] if is_partial else [name for name in required if name not in arguments]
    if unknown or missing:
        problems = [f"unknown: {', '.join(unknown)}"] if unknown else []
        problems += [f"missing: {', '.join(missing)}"] if missing else []
        raise ValueError(
            f"arguments of {target.__name__} do not fit ({'; '.join(problems)}); "
            f"found: {', '.join(arguments) or 'none'}; expected: {', '.join(parameters)}"
        )
