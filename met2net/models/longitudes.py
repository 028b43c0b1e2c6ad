"""Settings of networks for grids that go round the globe."""

import inspect
from collections.abc import Mapping
from typing import Any

from met2net.models.build import find_class

__all__ = ["with_periodic_longitude"]

_KEY = "periodic_longitude"


def with_periodic_longitude(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `periodic_longitude` on in a network's settings, wherever it applies.

    That is every node, inner ones too, whose class has that argument and which does not say it
    itself. Settings for a regional grid need no such step: every network starts without.

    Raises:
        ValueError: if a node names no class that may be built.
    """
    changed = {key: _inside(value) for key, value in settings.items()}
    if (
        _KEY not in changed
        and _KEY in inspect.signature(find_class(settings["_target_"])).parameters
    ):
        changed[_KEY] = True
    return changed


def _inside(value: Any) -> Any:
    """Go on into nodes; leave other values as they are."""
    is_node = isinstance(value, Mapping) and "_target_" in value
    return with_periodic_longitude(value) if is_node else value
