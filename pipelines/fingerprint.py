"""Fingerprints: a short name for exactly these settings."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["fingerprint", "to_plain"]


def to_plain(settings: Any) -> Any:
    """Turn settings into plain JSON values; dataclasses become dicts with their class name.

    Fields that do not count when two of them are compared (`compare=False`: time limits,
    numbers of workers) are left out.

    Raises:
        TypeError: if a value has no exact JSON form.
    """
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        fields = {
            f.name: to_plain(getattr(settings, f.name))
            for f in dataclasses.fields(settings)
            if f.compare
        }
        return {"class": type(settings).__name__, **fields}
    if isinstance(settings, Mapping):
        return {str(key): to_plain(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [to_plain(value) for value in settings]
    if isinstance(settings, Path):
        return str(settings)
    if settings is None or isinstance(settings, bool | int | float | str):
        return settings
    raise TypeError(f"cannot fingerprint a {type(settings).__name__}: {settings!r}")


def fingerprint(*settings: Any) -> str:
    """Hash the whole of some settings: 16 hexadecimal digits of a SHA-256."""
    text = json.dumps(to_plain(settings), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
