"""Variables that a configuration adds to those of ERA5: `data.definitions`."""

from collections.abc import Mapping
from typing import Any

from flows.settings.config_error import ConfigError
from met2net.data.variable_definitions import Definition, define

__all__ = ["define_variables"]


def define_variables(settings: Mapping[str, Any]) -> None:
    """Make the variables known that the data set's settings define.

    Args:
        settings: of any flow, of the declared kinds.

    Raises:
        ConfigError: naming the definition.
    """
    definitions = settings.get("data", {}).get("definitions") or {}
    for name, node in definitions.items():
        plain = {key: value for key, value in node.items() if key != "_target_"}
        try:
            define(Definition(**plain).named(name))
        except ValueError as error:
            raise ConfigError(f"data.definitions.{name}: {error}") from error
