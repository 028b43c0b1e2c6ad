"""What the constructor of a class takes, read from the class's source text.

Nothing is imported or run: a misspelt setting is refused before PyTorch is loaded, and a
configuration that only names a class runs no line of it.
"""

import ast
import functools
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.trusted_packages import trusted_packages

__all__ = ["Constructor", "Name", "Parameter", "constructor", "definition", "is_dataclass"]


@dataclass(frozen=True)
class Name:
    """A name as one module knows it.

    Attributes:
        module: where it is looked up.
        text: of one part, as `Path`.
    """

    module: str
    text: str


@dataclass(frozen=True)
class Parameter:
    """A parameter of a constructor.

    Attributes:
        annotation: its type as it is written; None where it has none.
        module: where the annotation stands.
        required: True where there is no default.
    """

    annotation: ast.expr | None
    module: str
    required: bool


@dataclass(frozen=True)
class Constructor:
    """Parameters of a class, a class method or a function, in order.

    Attributes:
        parameters: name -> parameter.
        takes_any: True where further keywords are taken.
    """

    parameters: Mapping[str, Parameter]
    takes_any: bool = False


def constructor(target: object) -> Constructor | None:
    """Read what may stand beside a `_target_`.

    Args:
        target: dotted name of a class, of a class method or of a function.

    Returns:
        None where the name is not of a trusted package or its source cannot be read: who
        builds it refuses it, or its constructor does.
    """
    if not isinstance(target, str):
        return None
    module, _, last = target.rpartition(".")
    found = definition(Name(module, last))
    if found is not None:
        return _parameters(*found)
    module, _, owner = module.rpartition(".")
    found = definition(Name(module, owner))
    if found is None or not isinstance(found[1], ast.ClassDef):
        return None
    for home, base in _with_bases(found[0], found[1]):
        for part in base.body:
            if isinstance(part, ast.FunctionDef) and part.name == last:
                return _of_function(part, home)
    return None


def definition(name: Name) -> tuple[str, ast.stmt] | None:
    """Find where a name is defined, through modules that import it from one another.

    Returns:
        Module and statement: a class, a function or an assignment; None if it is not in a
        trusted package.
    """
    for statement in _statements(name.module):
        if isinstance(statement, ast.ClassDef | ast.FunctionDef) and statement.name == name.text:
            return name.module, statement
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name.text for target in statement.targets
        ):
            return name.module, statement
        if isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
            for alias in statement.names:
                if (alias.asname or alias.name) == name.text:
                    return definition(Name(statement.module, alias.name))
    return None


def is_dataclass(statement: ast.stmt) -> bool:
    """Tell whether a class is decorated as a dataclass."""
    return isinstance(statement, ast.ClassDef) and any(
        "dataclass" in ast.unparse(decorator) for decorator in statement.decorator_list
    )


@functools.cache
def _statements(module: str) -> tuple[ast.stmt, ...]:
    """Parse a module of a trusted package; give what stands at its top level."""
    path = _file(module)
    if path is None:
        return ()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = [s for part in tree.body if isinstance(part, ast.If) for s in part.body]
    return (*tree.body, *inside)  # imports for types alone stand behind an `if`


def _file(module: str) -> Path | None:
    """Find a module's file without importing anything."""
    top, *inner = module.split(".")
    if top not in ("flows", *trusted_packages()) or not all(map(str.isidentifier, (top, *inner))):
        return None
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not inner and spec.origin is not None:
        return Path(spec.origin)
    for root in spec.submodule_search_locations or ():
        path = Path(root, *inner)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if os.path.isfile(file):
                return file
    return None


def _parameters(module: str, statement: ast.stmt) -> Constructor | None:
    """Read the parameters of a definition."""
    if isinstance(statement, ast.FunctionDef):
        return _of_function(statement, module)
    if not isinstance(statement, ast.ClassDef):
        return None
    fields: dict[str, Parameter] = {}
    chain = list(_with_bases(module, statement))
    for home, base in chain:
        for part in base.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                return _of_function(part, home)
    for home, base in reversed(chain):
        if is_dataclass(base):
            fields |= _fields(base, home)
    return Constructor(fields)


def _with_bases(module: str, statement: ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef]]:
    """Give a class and the classes of trusted packages that it comes from, nearest first."""
    yield module, statement
    for base in statement.bases:
        found = definition(Name(module, base.id)) if isinstance(base, ast.Name) else None
        if found is not None and isinstance(found[1], ast.ClassDef):
            yield from _with_bases(found[0], found[1])


def _fields(statement: ast.ClassDef, module: str) -> dict[str, Parameter]:
    """Read the fields of a dataclass."""
    return {
        part.target.id: Parameter(part.annotation, module, required=part.value is None)
        for part in statement.body
        if isinstance(part, ast.AnnAssign)
        and isinstance(part.target, ast.Name)
        and "ClassVar" not in ast.unparse(part.annotation)
        and not (part.value is not None and "init=False" in ast.unparse(part.value))
    }


def _of_function(function: ast.FunctionDef, module: str) -> Constructor:
    """Read the parameters of a function; of a method, without `self` or `cls`."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    found = {
        argument.arg: Parameter(argument.annotation, module, required=index < first_default)
        for index, argument in enumerate(positional)
        if not (index == 0 and argument.arg in ("self", "cls"))
    }
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found[argument.arg] = Parameter(argument.annotation, module, required=default is None)
    return Constructor(found, takes_any=arguments.kwarg is not None)
