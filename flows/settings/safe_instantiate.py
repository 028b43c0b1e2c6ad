"""Hydra's `instantiate`, for settings that name classes of this project and nothing else.

A configuration may come from somebody else; it must not be able to run other code than the
settings classes that a flow is made of.
"""

import dataclasses
import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.utils import instantiate as hydra_instantiate

from pipelines.errors import DataError
from pipelines.trusted_packages import trusted_packages

__all__ = ["check_targets", "instantiate"]

_FUNCTIONS = ("pipelines.image_sequences.sequences.sequence_splits",)
_KEYS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")  # of Hydra


def instantiate(node: Any, **options: Any) -> Any:
    """Build a node of settings by Hydra, after a check of all that it names.

    Args:
        node: plain values, interpolations resolved.
        options: of Hydra, as `_convert_="all"`.

    Raises:
        DataError: if a node names anything but a settings class of this project, or holds an
            interpolation, which would be resolved after the check.
    """
    check_targets(node)
    return hydra_instantiate(node, **options)


def check_targets(node: Any) -> None:
    """Look through nested settings for targets that must not be called; see `instantiate`."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            _check_target(node["_target_"])
        for key, value in node.items():
            if str(key).startswith("_") and str(key).endswith("_") and key not in _KEYS:
                raise DataError(f"settings have {key!r}; expected none but {', '.join(_KEYS)}")
            check_targets(value)
    elif isinstance(node, str):
        if "${" in node:
            raise DataError(f"found {node!r} left to resolve; expected a plain value")
    elif isinstance(node, Sequence):
        for value in node:
            check_targets(value)


def _check_target(name: Any) -> None:
    """Refuse all but dataclasses, their class methods, and a few functions of ours."""
    packages = trusted_packages()
    if not isinstance(name, str) or name.partition(".")[0] not in packages:
        raise DataError(
            f"_target_ is {name!r}; expected a settings class inside {' or '.join(packages)}"
        )
    if name in _FUNCTIONS:
        return
    owner, _, last = name.rpartition(".")
    found = _defined_class(name)
    if found is None:
        found, method = _defined_class(owner), last
        # Looked up without running descriptors: a class method is one where it is defined.
        if found is not None and not isinstance(
            inspect.getattr_static(found, method, None), classmethod
        ):
            found = None
    if found is None or not dataclasses.is_dataclass(found):
        raise DataError(f"_target_ is {name!r}, which is no settings class; expected one")


def _defined_class(name: str) -> type | None:
    """Import the class of a dotted name; None unless one of the packages defines it.

    What a module has only imported (`subprocess`) could lead to any code.
    """
    module_name, _, class_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError):
        return None
    found = vars(module).get(class_name)
    if not isinstance(found, type) or found.__module__.partition(".")[0] not in trusted_packages():
        return None
    return found
