"""Build one part of an experiment's settings; what its class refuses is told by its full name."""

import re
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException

from flows.settings.config_error import ConfigError, one_line
from flows.settings.safe_instantiate import instantiate

__all__ = ["built"]


def built(settings: Mapping[str, Any], where: str, **options: Any) -> Any:
    """Build the part that stands at a dotted name.

    Args:
        settings: everything.
        where: name of the part, as `data.splits`.
        options: of Hydra.

    Raises:
        ConfigError: if a class refuses a value; `trainer.devices is 0; expected at least 1`.
        DataError: if a class must not be named.
        LookupError: if there is no such part.
    """
    node: Any = settings
    for part in where.split("."):
        node = node[part]
    try:
        return instantiate(node, **options)
    except InstantiationException as error:
        inner = re.search(r"^full_key: (\S+)$", str(error), flags=re.MULTILINE)
        name = f"{where}.{inner[1]}" if inner else where
        for part in inner[1].split(".") if inner else ():
            node = node.get(part, {}) if isinstance(node, Mapping) else {}
        text = one_line(error.__cause__ or error)
        is_value = isinstance(node, Mapping) and text.partition(" ")[0] in node
        raise ConfigError(f"{name}{'.' if is_value else ': '}{text}") from error
