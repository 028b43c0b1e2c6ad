"""Schedules of the learning rate from packages that the environment trusts."""

from collections.abc import Mapping
from typing import Any

from pipelines.trusted_packages import own_packages

__all__ = ["admit_schedule"]


def admit_schedule(schedule: str | Mapping[str, Any]) -> None:
    """Let this process build a schedule that settings name, if its package is trusted.

    What is not is refused where the settings are checked.

    Args:
        schedule: a name, for which there is nothing to do, or settings with a `_target_`.

    Raises:
        ValueError: if a trusted package lacks the class.
    """
    if isinstance(schedule, Mapping) and isinstance(schedule.get("_target_"), str):
        # PyTorch, which names do without.
        from met2net.models.own_classes import allowed_class

        try:
            allowed_class(schedule["_target_"], allow=own_packages())
        except ValueError as error:
            raise ValueError(f"schedule: {error}") from error
