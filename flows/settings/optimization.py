"""How networks are trained, from settings."""

from collections.abc import Mapping
from typing import Any

from flows.settings.config_error import ConfigError
from met2net.training.settings import OptimizationSettings
from pipelines.training.own_schedule import admit_schedule

__all__ = ["optimization_settings"]

_CLASS = f"{OptimizationSettings.__module__}.{OptimizationSettings.__name__}"


def optimization_settings(node: Mapping[str, Any], where: str) -> OptimizationSettings:
    """Build settings of optimization; what they hold stays plain, as a job's file needs it.

    Args:
        node: plain values of the declared kinds.
        where: its name, as `models.tau.optimization`.

    Raises:
        ConfigError: naming the setting.
    """
    if node.get("_target_", _CLASS) != _CLASS:
        raise ConfigError(f"{where}._target_ is {node['_target_']!r}; expected {_CLASS}")
    plain = {key: value for key, value in node.items() if key != "_target_"}
    try:
        admit_schedule(plain["schedule"])
        return OptimizationSettings(**plain)
    except ValueError as error:
        raise ConfigError(f"{where}.{error}") from error
