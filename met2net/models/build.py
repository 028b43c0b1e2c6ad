"""Build networks, objectives and schedules from plain settings, as checkpoints carry them."""

import functools
import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from met2net.models.own_classes import allowed_class

__all__ = ["build", "find_class"]

_ALLOWED = ("met2net.models.", "met2net.training.")
_MOVED = {
    f"met2net.models.baselines.{name.lower()}.{name}": f"met2net.models.baselines.metaformer.{name}"
    for name in ("ConvNeXt", "HorNet", "MogaNet", "PoolFormer", "SimVPv2", "TAU")
} | {"met2net.training.objective.TwoStage": "met2net.training.two_stage.TwoStage"}
"""Names that files of before give classes, and where these are now."""


def build(settings: Mapping[str, Any], *, allow: Sequence[str] = ()) -> Any:
    """Call the class that settings name, inner nodes first.

    A node is a mapping with `_target_`, a dotted name inside `met2net.models` or
    `met2net.training`, or of a class that was allowed (`met2net.models.own_classes`), by `allow`
    for one; its other keys are keyword arguments. With `_partial_: true` it gives
    a `functools.partial`, to be completed by the outer node. Hydra's `instantiate` reads such
    settings alike; a checkpoint is rebuilt without it and can name no other code.

    Raises:
        TypeError: if there is no mapping.
        ValueError: if a target is unknown or not allowed, or arguments are unknown or missing.
    """
    if not isinstance(settings, Mapping):
        raise TypeError(
            f"settings are a {type(settings).__name__}; expected a mapping with _target_, as "
            "`settings_of(Met2Net, latent_dim=64)` gives it"
        )
    if "_target_" not in settings:
        raise ValueError(f"settings have no _target_; found: {', '.join(settings) or 'nothing'}")
    target = find_class(settings["_target_"], allow=allow)
    is_partial = settings.get("_partial_", False)
    if not isinstance(is_partial, bool):
        raise ValueError(f"_partial_ is {is_partial!r}; expected true or false")
    arguments = {
        key: _build_value(value, allow)
        for key, value in settings.items()
        if key not in ("_target_", "_partial_")
    }
    _check_arguments(target, arguments, is_partial=is_partial)
    return functools.partial(target, **arguments) if is_partial else target(**arguments)


def _build_value(value: Any, allow: Sequence[str]) -> Any:
    """Build nodes inside a value; leave the rest as it is."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            return build(value, allow=allow)
        return {key: _build_value(item, allow) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_build_value(item, allow) for item in value]
    return value


def find_class(name: Any, *, allow: Sequence[str] = ()) -> type:
    """Import the class of a dotted name.

    Raises:
        ValueError: if there is none, or it is not allowed.
    """
    if not isinstance(name, str) or not name.startswith(_ALLOWED):
        own = allowed_class(name, allow=allow) if isinstance(name, str) else None
        if own is not None:
            return own
        defining = name.rpartition(".")[0] if isinstance(name, str) else "my_module"
        raise ValueError(
            f"_target_ is {name!r}; expected a class inside "
            f"{' or '.join(p[:-1] for p in _ALLOWED)}, or, if you trust its code, one of your own: "
            f"registered (`@met2net.register`), or of an allowed module (`allow=[{defining!r}]`)"
        )
    module_name, _, class_name = _MOVED.get(name, name).rpartition(".")
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
