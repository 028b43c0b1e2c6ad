"""Kinds of values that a setting may have, after the type that a constructor declares for it."""

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.settings.constructor import Name, definition, is_dataclass

__all__ = ["Anything", "Choice", "Kind", "ListOf", "MappingOf", "Plain", "Settings", "expected",
           "kinds", "takes"]  # fmt: skip

_LISTS = ("Sequence", "tuple", "list")
_MAPPINGS = ("Mapping", "dict")
_PLAIN = {
    "int": ("a whole number", "whole numbers"),
    "float": ("a finite number", "finite numbers"),
    "bool": ("true or false", "truth values"),
    "str": ("a text", "texts"),
    "Path": ("a path", "paths"),
}


@dataclass(frozen=True)
class Plain:
    """A number, a text or a truth value, by the name of its type."""

    type_name: str


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class ListOf:
    """A list of values of some kinds."""

    items: "tuple[Kind, ...]"


@dataclass(frozen=True)
class MappingOf:
    """Values of some kinds under names that are anyone's choice."""

    values: "tuple[Kind, ...]"


@dataclass(frozen=True)
class Settings:
    """Settings of a class.

    Attributes:
        class_name: dotted name of the class.
        is_base: True for a base that others fill in: `_target_` must say which.
    """

    class_name: str
    is_base: bool = False


@dataclass(frozen=True)
class Anything:
    """A type that says nothing here; who is built with the value checks it."""


Kind = Plain | Choice | ListOf | MappingOf | Settings | Anything


def kinds(annotation: ast.expr | None, module: str) -> tuple[Kind, ...]:
    """Read a type as it is written in a module; several are alternatives."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return (*kinds(left, module), *kinds(right, module))
        case ast.Constant(value=None):
            return (Choice((None,)),)
        case ast.Constant(value=str(text)):  # a type in quotes
            return kinds(ast.parse(text, mode="eval").body, module)
        case ast.Name(id=name) if name in _PLAIN:
            return (Plain(name),)
        case ast.Name(id=name):
            return _named(Name(module, name))
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return (Choice(tuple(ast.literal_eval(choice) for choice in _parts(choices))),)
        case ast.Subscript(value=ast.Name(id=name), slice=items) if name in _LISTS:
            written = [part for part in _parts(items) if not _is_ellipsis(part)]
            return (ListOf(tuple(kind for part in written for kind in kinds(part, module))),)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[_, values])) if (
            name in _MAPPINGS
        ):
            return (MappingOf(kinds(values, module)),)
    return (Anything(),)


def _named(name: Name) -> tuple[Kind, ...]:
    """Read a type by its name: a class, or another name of a type."""
    found = definition(name)
    if found is None:
        return (Anything(),)
    module, statement = found
    if isinstance(statement, ast.Assign):
        return kinds(statement.value, module)
    assert isinstance(statement, ast.ClassDef | ast.FunctionDef)
    return (Settings(f"{module}.{statement.name}", is_base=not is_dataclass(statement)),)


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def takes(kind: Kind, value: Any) -> bool:
    """Tell whether a value that is neither a mapping nor a list is of a kind."""
    match kind:
        case Plain("int"):
            return type(value) is int
        case Plain("float"):
            return type(value) is int or (type(value) is float and math.isfinite(value))
        case Plain("bool"):
            return type(value) is bool
        case Plain("str"):
            return isinstance(value, str)
        case Plain("Path"):
            return isinstance(value, str) and value != "" and "\0" not in value
        case Choice(values):
            return any(value is choice or (type(value) is type(choice) and value == choice)
                       for choice in values)  # fmt: skip
    return isinstance(kind, Anything)


def expected(alternatives: Sequence[Kind]) -> str:
    """Say in words what values of some kinds are."""
    choices = [value for kind in alternatives if isinstance(kind, Choice) for value in kind.values]
    if len(choices) > 2 and all(isinstance(kind, Choice) for kind in alternatives):
        return f"one of: {', '.join('null' if value is None else str(value) for value in choices)}"
    words: list[str] = []
    for kind in alternatives:
        match kind:
            case Plain(name):
                words.append(_PLAIN[name][0])
            case Choice(values):
                words += ["null" if value is None else str(value) for value in values]
            case ListOf(items):
                words.append(f"a list of {_several(items)}")
            case MappingOf((Anything(),)):
                words.append("a mapping")
            case MappingOf(values):
                words.append(f"names, each with {expected(values)}")
            case Settings(class_name):
                words.append(f"settings of {class_name.rpartition('.')[2]}")
            case Anything():
                words.append("another value")
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _several(alternatives: Sequence[Kind]) -> str:
    """Say in words what the values of a list are."""
    if len(alternatives) == 1 and isinstance(alternatives[0], Plain):
        return _PLAIN[alternatives[0].type_name][1]
    return f"values, each {expected(alternatives)}"
