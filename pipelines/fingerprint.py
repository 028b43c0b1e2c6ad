"""Fingerprints: a short name for exactly these settings, and for the content of files."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "LEFT_OUT_IF_NONE",
    "content_sha256",
    "counted_fields",
    "file_sha256",
    "fingerprint",
    "to_plain",
]

_OURS = ("met2net.", "pipelines.", "flows.")


LEFT_OUT_IF_NONE: Mapping[str, Any] = {"left_out_if_none": True}
"""Metadata of a dataclass's field that came later: None counts as if there were no such field,
so that what was named before keeps its name."""


def counted_fields(settings: Any) -> dict[str, Any]:
    """Give the fields of a dataclass that tell it from others.

    Fields that do not count when two of them are compared (`compare=False`: time limits,
    numbers of workers) are left out, and those of `LEFT_OUT_IF_NONE` that are None.
    """
    return {
        f.name: getattr(settings, f.name)
        for f in dataclasses.fields(settings)
        if f.compare
        and not ("left_out_if_none" in f.metadata and getattr(settings, f.name) is None)
    }


def to_plain(settings: Any) -> Any:
    """Turn settings into plain JSON values; dataclasses become dicts with their class name.

    Of their fields, those of `counted_fields` alone.

    Raises:
        TypeError: if a value has no exact JSON form.
    """
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        fields = {name: to_plain(value) for name, value in counted_fields(settings).items()}
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
    """Hash the whole of some settings: 16 hexadecimal digits of a SHA-256.

    Classes of this project that settings name (`_target_`) count by their names alone, so that
    a class may move to another module. Those of others count by their full names.
    """
    text = json.dumps(_without_modules(to_plain(settings)), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Hash the content of a file: 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """Hash the content of a file, or of all files of a folder and their names in it."""
    if path.is_file():
        return file_sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return fingerprint([[str(file.relative_to(path)), file_sha256(file)] for file in files])


def _without_modules(plain: Any) -> Any:
    """Leave the modules out of the targets of plain settings."""
    if isinstance(plain, dict):
        return {
            key: _class_name(value) if key == "_target_" else _without_modules(value)
            for key, value in plain.items()
        }
    if isinstance(plain, list):
        return [_without_modules(value) for value in plain]
    return plain


def _class_name(target: str) -> str:
    """Give a class of ours, or its class method, or a function, without its module."""
    if not target.startswith(_OURS):
        return target
    parts = target.split(".")
    first = next((i for i, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return ".".join(parts[first:])
