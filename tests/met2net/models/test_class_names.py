"""Fingerprints tell classes of this project apart by their names alone."""

import importlib
import inspect
import pkgutil
from collections import Counter

from torch import nn

import met2net


def test_no_two_networks_or_objectives_share_a_name() -> None:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(met2net.__path__, "met2net.")
    ]
    classes = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, nn.Module) and member.__module__.startswith("met2net.")
    }
    assert len(classes) > 30
    counts = Counter(found.__name__ for found in classes if not found.__name__.startswith("_"))
    assert [name for name, count in counts.items() if count > 1] == []
