"""Hydra: from a list of overrides to plain settings, and what was wrong with them in one line.

Imports nothing heavy: a command reads its settings before anything else.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from flows.settings.closed import check_roots, checked, is_declared, kinds_at
from flows.settings.config_error import ConfigError, one_line
from flows.settings.definitions import define_variables
from flows.settings.overrides import Override, apply, read_override
from flows.settings.unknown import UnknownSetting
from flows.settings.values import check_values

__all__ = ["CONFIGS", "compose", "resolve"]

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
_WRONG = (HydraException, OmegaConfBaseException, ValueError, OSError)
"""Hydra lets the last two through: a group set to null, a name too long for a file."""
_NO_VALUE = "???"  # as OmegaConf writes it


def compose(overrides: Sequence[str], *, config: str = "full_experiment") -> DictConfig:
    """Compose the configuration of a flow, and check every key and the kind of every value.

    Raises:
        ConfigError: if an override does not fit, or a setting is unknown or of another kind; the
            message names the setting and the valid choices.
    """
    return _compose(overrides, config)[0]


def resolve(overrides: Sequence[str], *, config: str = "full_experiment") -> dict[str, Any]:
    """Compose the configuration of a flow as plain values, interpolations resolved.

    Raises:
        ConfigError: as `compose`, or if a value is missing.
    """
    settings = _compose(overrides, config)[1]
    missing = sorted(_without_value(settings))
    if missing:
        raise ConfigError(f"{missing[0]} has no value; expected one: {missing[0]}=...")
    return settings


def _without_value(node: object, name: str = "") -> Iterator[str]:
    """Name the settings that have none, in plain values: OmegaConf's own search resolves anew."""
    if node == _NO_VALUE:
        yield name
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _without_value(value, f"{name}.{key}" if name else str(key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _without_value(value, f"{name}[{place}]")


def _compose(overrides: Sequence[str], config: str) -> tuple[DictConfig, dict[str, Any]]:
    """Compose; give the configuration as it is, and its checked plain values."""
    # The first value, or the second where that is null.
    OmegaConf.register_new_resolver("or", lambda a, b: b if a is None else a, replace=True)
    asked = [read_override(text) for text in overrides]
    singles = [one for one in asked if _is_single(one)]
    # Before Hydra reads all of `configs/`: the commonest mistake is told at once.
    check_roots((one.key for one in singles), config=config, groups=lambda: _groups(config))
    composed = _choose([one for one in asked if one not in singles], config)
    try:
        OmegaConf.set_struct(composed, not is_declared(config))
        for one in singles:
            as_it_is = OmegaConf.to_container(composed)
            assert isinstance(as_it_is, dict)
            settled = {str(key): value for key, value in as_it_is.items()}
            apply(composed, one, kinds_at(one.key, settled, config=config))
        plain = OmegaConf.to_container(composed, resolve=True)
    except _WRONG as error:
        raise ConfigError(one_line(error)) from error
    assert isinstance(plain, dict)
    try:
        settings = checked(
            {str(key): value for key, value in plain.items()}, config=config, groups=_groups(config)
        )
    except UnknownSetting as error:
        raise ConfigError(f"{error}{_left_over(error, asked)}") from error
    define_variables(settings)
    check_values(settings)
    return composed, settings


def _left_over(error: UnknownSetting, asked: Sequence[Override]) -> str:
    """Say where a setting comes from that the experiment has for another choice of a group."""
    name = f"{error.where}.{error.key}"
    chosen = any(one.group(CONFIGS) == error.where and one.sign == "" for one in asked)
    if not chosen or any(one.key == name for one in asked):
        return ""
    return f"; the experiment has it for another {error.where}: ~{name} removes it"


def _is_single(override: Override) -> bool:
    """Tell whether an override sets a value, in place of choosing or removing a part."""
    return override.sign != "~" and override.group(CONFIGS) is None


def _choose(overrides: Sequence[Override], config: str) -> DictConfig:
    """Compose what is chosen of the groups, without what is removed.

    Raises:
        ConfigError: if there is no such choice, or nothing to remove.
    """
    for override in overrides:
        _check_choice(override)
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        done: list[str] = []
        try:
            return hydra.compose(config, overrides=[one.text for one in overrides])
        except _WRONG as error:
            for one in overrides:  # the first that does not fit what stands before it
                try:
                    hydra.compose(config, overrides=[*done, one.text])
                except _WRONG as first:
                    raise ConfigError(f"override {one.text!r}: {one_line(first)}") from first
                done.append(one.text)
            raise ConfigError(one_line(error)) from error


def _check_choice(override: Override) -> None:
    """Refuse a choice that a group does not have."""
    group = override.group(CONFIGS)
    if group is None or override.value is None:
        return
    choices = sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
    deeper = (CONFIGS / group).glob("*/*.yaml")
    inside = [path.relative_to(CONFIGS / group).with_suffix("").as_posix() for path in deeper]
    if override.value not in (*choices, *inside):
        raise ConfigError(f"no {group} {override.value!r}; choose one of: {', '.join(choices)}")


def _groups(config: str) -> list[str]:
    """List the groups that a flow's settings choose from."""
    groups: list[str] = []
    loaded = OmegaConf.load(CONFIGS / f"{config}.yaml")
    assert isinstance(loaded, DictConfig)
    for entry in loaded.get("defaults", ()):
        if isinstance(entry, str):
            groups += [] if entry == "_self_" else _groups(entry)
        else:
            groups += [str(group) for group in entry]
    return groups
