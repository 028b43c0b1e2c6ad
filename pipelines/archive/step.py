"""The time step of an archive, which its settings tell."""

from collections.abc import Mapping
from typing import Any

__all__ = ["STEP_SETTING", "step_of"]

STEP_SETTING = "step_hours"
"""Name of the time step [h] among an archive's settings; hourly archives have none there."""


def step_of(settings: Mapping[str, Any]) -> int:
    """Give the time step [h] of an archive by the settings that it was made with."""
    return int(settings.get(STEP_SETTING, 1))
