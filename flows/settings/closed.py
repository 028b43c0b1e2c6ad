"""Settings that are closed: every key is known and every value of the kind that is declared.

A key is known if the constructor of the node's class takes it, or if `flows.settings.schema`
declares it where no class is named. Names that are anyone's choice (variables, models, regions,
rows of a table) are open at their own level alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from flows.settings.config_error import ConfigError
from flows.settings.constructor import Constructor, constructor
from flows.settings.kinds import Anything, Kind, ListOf, MappingOf, Settings, expected, kinds, takes
from flows.settings.unknown import unknown_setting

__all__ = ["MISSING", "check_roots", "checked", "is_declared", "kinds_at"]

MISSING = "???"
"""What a configuration says where a value must be given."""

_SCHEMA = "flows.settings.schema"
_OF_HYDRA = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")


def checked(plain: Mapping[str, Any], *, config: str, groups: Sequence[str] = ()) -> dict[str, Any]:
    """Refuse settings that nothing knows, and values of another kind than declared.

    Args:
        plain: the composed configuration as plain values, interpolations resolved.
        config: name of the flow's settings under `configs/`; one that the schema does not
            declare is checked at the nodes that name their class.
        groups: folders of `configs/` that an override may choose from.

    Returns:
        The same, with the `_target_` of nodes whose class is declared: a period, a grid and a
        box may be written without.

    Raises:
        ConfigError: naming the setting, what was found and what could stand there.
    """
    root = _root(config)
    if root is None:
        return {key: _value(value, key, (Anything(),)) for key, value in plain.items()}
    check_roots(plain, config=config, groups=lambda: groups)
    settings = _node(plain, "", root)
    data = settings.get("data")
    if isinstance(data, dict) and data.get("habits"):
        settings["data"] = {**data, "habits": _habits(data, root)}
    return settings


def check_roots(keys: Iterable[str], *, config: str, groups: Callable[[], Sequence[str]]) -> None:
    """Refuse names of settings whose first part nothing knows.

    Args:
        keys: dotted names.
        config: as of `checked`.
        groups: as of `checked`, listed where a name is not known.

    Raises:
        ConfigError: naming the part and all that could stand there.
    """
    root = _root(config)
    if root is None:
        return
    for key in keys:
        first = re.split(r"[.\[]", key, maxsplit=1)[0]
        if first not in root.parameters:
            raise unknown_setting(first, "", {*root.parameters, *groups()}, _inside(root))


def kinds_at(path: str, plain: Mapping[str, Any], *, config: str) -> tuple[Kind, ...]:
    """Give the kinds of values that a dotted key may have; none for a key that is not known."""
    found: tuple[Kind, ...] = (Settings(_class_of(config)),)
    node: Any = plain
    for part in path.split("."):
        node_class = _constructor(found, node)
        open_names = [kind for kind in found if isinstance(kind, MappingOf)]
        if node_class is not None and part in node_class.parameters:
            parameter = node_class.parameters[part]
            found = kinds(parameter.annotation, parameter.module)
        elif open_names:
            found = open_names[0].values
        else:
            return ()
        node = node.get(part) if isinstance(node, Mapping) else None
    return found


def is_declared(config: str) -> bool:
    """Tell whether the schema declares the settings of a flow."""
    return _root(config) is not None


def _inside(root: Constructor) -> Iterator[str]:
    """Give the names of settings one level below the root."""
    for key, parameter in root.parameters.items():
        for kind in kinds(parameter.annotation, parameter.module):
            node_class = constructor(kind.class_name) if isinstance(kind, Settings) else None
            yield from (f"{key}.{name}" for name in (node_class.parameters if node_class else ()))


def _class_of(config: str) -> str:
    """Name the class that declares the root of a flow's settings."""
    return f"{_SCHEMA}.{config.title().replace('_', '')}"


def _root(config: str) -> Constructor | None:
    return constructor(_class_of(config))


def _constructor(alternatives: Sequence[Kind], node: Any) -> Constructor | None:
    """Find what takes a node's keys: the class that it names, or the one that is declared."""
    if isinstance(node, Mapping) and "_target_" in node:
        return constructor(node["_target_"])
    for kind in alternatives:
        if isinstance(kind, Settings) and not kind.is_base:
            return constructor(kind.class_name)
    return None


def _value(value: Any, where: str, alternatives: Sequence[Kind]) -> Any:
    """Check a value and all that is in it."""
    anything = any(isinstance(kind, Anything) for kind in alternatives)
    if value == MISSING:
        return value
    if isinstance(value, Mapping):
        return _mapping(value, where, alternatives)
    if isinstance(value, list):
        lists = [kind for kind in alternatives if isinstance(kind, ListOf)]
        if lists or anything:
            inner = lists[0].items if lists else (Anything(),)
            return [_value(item, f"{where}[{index}]", inner) for index, item in enumerate(value)]
    elif any(takes(kind, value) for kind in alternatives):
        return value
    raise ConfigError(f"{where} is {_shown(value)}; expected {expected(alternatives)}")


def _mapping(value: Mapping[str, Any], where: str, alternatives: Sequence[Kind]) -> Any:
    """Check settings of a class, or values under open names."""
    declared = [kind for kind in alternatives if isinstance(kind, Settings)]
    ours = any(kind.class_name.startswith("flows.") and not kind.is_base for kind in declared)
    if "_target_" in value and not ours:
        node_class = constructor(value["_target_"])
        # A name that is not trusted, or not found, is refused where it is to be built.
        return dict(value) if node_class is None else _node(value, where, node_class)
    if "_target_" in value:
        raise ConfigError(
            f"{where}._target_ is {value['_target_']!r}; expected none: {where} is no class"
        )
    for kind in declared:
        if kind.is_base:
            raise ConfigError(f"{where} has no _target_; expected the name of its class there")
        node_class = constructor(kind.class_name)
        if node_class is not None:
            node = _node(value, where, node_class)
            return node if ours else {"_target_": kind.class_name, **node}
    for other in alternatives:
        if isinstance(other, MappingOf | Anything):
            inner = other.values if isinstance(other, MappingOf) else (Anything(),)
            return {key: _value(v, f"{where}.{key}", inner) for key, v in value.items()}
    raise ConfigError(f"{where} is {_shown(value)}; expected {expected(alternatives)}")


def _node(node: Mapping[str, Any], where: str, node_class: Constructor) -> dict[str, Any]:
    """Check keys and values of a node; in the order of its class, so that roots come first."""
    known = node_class.parameters
    settings = {str(key): value for key, value in node.items()}
    for key in settings:
        if key not in known and key not in _OF_HYDRA and not node_class.takes_any:
            raise unknown_setting(key, where, known)
    done = {}
    for key, parameter in known.items():
        name = f"{where}.{key}" if where else key
        alternatives = kinds(parameter.annotation, parameter.module)
        if key in settings:
            done[key] = _value(settings[key], name, alternatives)
        elif parameter.required and not settings.get("_partial_") and "_args_" not in settings:
            raise ConfigError(f"{name} is missing; expected {expected(alternatives)}")
    return {key: done.get(key, value) for key, value in settings.items()}


def _habits(data: Mapping[str, Any], root: Constructor) -> dict[str, Any]:
    """Check what protocols change of a data set: its settings with each habit are settings too."""
    parameter = root.parameters["data"]
    alternatives = kinds(parameter.annotation, parameter.module)
    plain = {key: value for key, value in data.items() if key != "habits"}
    habits = {}
    for protocol, habit in data["habits"].items():
        if protocol not in ("paper", "released"):
            raise unknown_setting(protocol, "data.habits", ("paper", "released"))
        merged = OmegaConf.to_container(OmegaConf.merge(plain, habit))
        whole = _value(merged, f"data.habits.{protocol}", alternatives)
        habits[protocol] = {key: whole[key] for key in habit}
    return habits


def _shown(value: Any) -> str:
    """Write a value as in YAML where that is short."""
    return "null" if value is None else repr(value)
