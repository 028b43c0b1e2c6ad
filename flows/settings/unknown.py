"""A setting that nothing knows: where, what could be meant, and all that could stand there."""

import difflib
from collections.abc import Iterable

from flows.settings.config_error import ConfigError

__all__ = ["UnknownSetting", "unknown_setting"]

_LEAST_LIKENESS = 0.6  # of difflib, where 1 is the same


class UnknownSetting(ConfigError):
    """A setting is not known.

    Attributes:
        key: last part of its name.
        where: the part before, empty at the root.
    """

    def __init__(self, message: str, *, key: str, where: str) -> None:
        """Keep the name beside the message."""
        super().__init__(message)
        self.key = key
        self.where = where


def unknown_setting(
    key: str, where: str, known: Iterable[str], elsewhere: Iterable[str] = ()
) -> UnknownSetting:
    """Say in one line that a setting is not known, with the nearest one that is.

    Args:
        key: last part of its name.
        where: the part before, empty at the root.
        known: all that could stand there.
        elsewhere: dotted names of settings that may be meant, too.
    """
    choices = sorted(str(name) for name in known)
    near = max([*choices, *elsewhere], key=lambda name: _likeness(key, name), default="")
    hint = f"; did you mean {near!r}?" if _likeness(key, near) >= _LEAST_LIKENESS else ""
    inside = f" in {where!r}" if where else ""
    message = f"no setting {key!r}{inside}{hint}; valid: {', '.join(choices) or 'none'}"
    return UnknownSetting(message, key=str(key), where=where)


def _likeness(key: str, name: str) -> float:
    """Compare with the last part of a name."""
    return difflib.SequenceMatcher(None, str(key), name.rpartition(".")[2]).ratio()
