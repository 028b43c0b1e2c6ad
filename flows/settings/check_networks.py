"""Build the networks of an experiment without memory, so that a bad size is refused at once."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import torch

from met2net.models.build import build
from pipelines.errors import DataError

__all__ = ["check_networks"]

_PARTS = ("network", "objective")
_LARGEST_NUMBER, _LARGEST_SIZE = 1000, 1_000_000  # of blocks, scales, ...; of channels, ...


def check_networks(models: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Refuse settings that no network or objective can be built from.

    Args:
        models: name -> `network` and `objective`, as plain settings.

    Raises:
        DataError: naming the model and what is wrong with it.
    """
    for name, parts in models.items():
        for part in _PARTS:
            _check_sizes(parts[part], where=f"models.{name}.{part}")
            problem = _problem(json.dumps(parts[part], default=repr))
            if problem is not None:
                raise DataError(f"models.{name}.{part}: {problem}")


def _check_sizes(node: Any, *, where: str) -> None:
    """Refuse numbers that building would never come to the end of."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            _check_sizes(value, where=f"{where}.{key}")
    elif isinstance(node, list):
        for value in node:
            _check_sizes(value, where=where)
    elif isinstance(node, int):
        largest = _LARGEST_NUMBER if where.rpartition(".")[2].startswith("num_") else _LARGEST_SIZE
        if abs(node) > largest:
            raise DataError(f"{where} is {node}; expected at most {largest}")


@functools.lru_cache(maxsize=256)
def _problem(settings: str) -> str | None:
    """Say why settings build nothing; None if they do. The parts of a study share networks."""
    try:
        with torch.device("meta"):
            build(json.loads(settings))
    # PyTorch and Python refuse sizes (negative, zero, too large) with these.
    except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
        return str(error) or type(error).__name__
    except (AssertionError, AttributeError) as error:  # another form than the constructor's
        return f"settings of another form than expected ({error!r})"
    return None
