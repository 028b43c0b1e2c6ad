"""What is imported is declared, what is declared is locked, and nothing is installed unlocked."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OWN = {"met2net", "pipelines", "flows", "tests"}
ROOM_EXTRAS = {
    "met2net": (),
    "pipelines": ("pipeline", "simulator", "maps"),
    "flows": ("pipeline",),
    "tests": ("pipeline", "simulator", "maps", "dev"),
}


@cache
def declared(package: str) -> dict[str, Requirement]:
    """Give what pyproject.toml declares for one of our packages, by normalized name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (project["optional-dependencies"][name] for name in ROOM_EXTRAS[package])
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def imported(tree: ast.AST) -> Iterator[str]:
    """Give the first part of the name of every module that is imported absolutely."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@cache
def holders() -> dict[str, list[str]]:
    """Give the distributions that hold each module, by one look at all that is installed."""
    return {module: list(names) for module, names in packages_distributions().items()}


def undeclared(modules: set[str], package: str) -> set[str]:
    """Give modules that no distribution declared for this package holds."""
    foreign = modules - OWN - sys.stdlib_module_names
    return {
        module
        for module in foreign
        if not {canonicalize_name(name) for name in holders().get(module, ())}
        & set(declared(package))
    }


@pytest.mark.parametrize("package", ROOM_EXTRAS)
def test_everything_that_is_imported_is_declared(package: str) -> None:
    paths = sorted((ROOT / package).rglob("*.py"))
    found = {
        path: undeclared(set(imported(ast.parse(path.read_text()))), package) for path in paths
    }
    assert len(paths) > 20
    assert {str(path.relative_to(ROOT)): names for path, names in found.items() if names} == {}


def test_the_scan_finds_what_is_declared_for_another_package_or_not_at_all() -> None:
    modules = set(
        imported(ast.parse("import os, torch.nn\nfrom prefect import flow\nimport wcwidth"))
    )
    assert undeclared(modules, "flows") == {"wcwidth"}
    assert undeclared(modules, "met2net") == {"prefect", "wcwidth"}


def test_the_lock_holds_a_fitting_version_of_everything_declared() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    locked = {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}
    wrong = {
        name: locked.get(name)
        for name, requirement in declared("tests").items()
        if name not in locked or not requirement.specifier.contains(locked[name])
    }
    assert len(locked) > 200 and wrong == {}


def test_the_makefile_installs_the_project_by_a_lock_only() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("$(INSTALLED): ")[2].partition("@touch")[0]
    commands = [line for line in recipe.replace("\\\n", "").splitlines() if "pip install" in line]
    assert len(commands) == 2
    assert "PIP_CONSTRAINT=constraints.txt" in commands[0]
    assert "--require-hashes" in commands[1]
    assert re.search(r"--hash=sha256:[0-9a-f]{64}", (ROOT / "best_tracks.txt").read_text())
