"""Files, modules and classes that documents, settings and docstrings name are there."""

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
CODE = sorted(p for name in ("met2net", "pipelines", "flows") for p in (ROOT / name).rglob("*.py"))
OTHERS = [ROOT / name for name in ("Makefile", "prefect.yaml", "pyproject.toml", "CHANGELOG.md")]
TEXTS = [*PAGES, *CONFIGS, *CODE, *OTHERS]

PATH = re.compile(r"(?<![\w./-])(?:met2net|pipelines|flows|configs|tests|docs)/[\w/.]*\w")
NAME = re.compile(r"(?<![\w./-])(?:met2net|pipelines|flows|tests)(?:\.[A-Za-z_]\w*)+")
QUOTED = re.compile(rf"`({NAME.pattern})")  # Python itself checks what code names
PROGRAM = re.compile(r"-m\"?,? \"?((?:met2net|pipelines|flows|tests)(?:\.\w+)*)")
LINK = re.compile(r"\]\(([^)#:]+)[^):]*\)")

TO_BE_MADE = {  # by the reader of docs/adding_a_model.md, and by nobody
    "met2net/models/baselines/local_tendency.py",
    "configs/model/local_tendency.yaml",
    "met2net.models.baselines.local_tendency.LocalTendency",
}
NO_MODULES = ("met2net.promoted", "met2net.declined", "met2net.model")  # events of Prefect


def found(pattern: re.Pattern[str], paths: list[Path]) -> dict[str, set[str]]:
    """Give what a pattern finds -> files that have it."""
    places: dict[str, set[str]] = {}
    for path in paths:
        for text in pattern.findall(path.read_text(encoding="utf-8")):
            places.setdefault(text, set()).add(str(path.relative_to(ROOT)))
    return places


def module_file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return path if path.is_dir() and any(path.glob("*.py")) else None


@functools.cache
def names_of(path: Path) -> dict[str, ast.AST]:
    """Give what stands at the top of a module."""
    if not path.is_file():
        return {}
    names = dict(defined(ast.parse(path.read_text(encoding="utf-8")).body))
    if path.name == "__init__.py":  # what a package gives on is its own
        return names
    return {k: v for k, v in names.items() if not isinstance(v, ast.Import | ast.ImportFrom)}


def defined(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((t.id, node) for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((a.asname or a.name, node) for a in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from defined(node.body)  # names that are looked up when they are asked for


def exists(name: str) -> bool:
    """Tell whether a dotted name is a module, or stands at the top of one, or in a class there."""
    words = name.split(".")
    for length in range(len(words), 0, -1):
        path = module_file(".".join(words[:length]))
        if path is None:
            continue
        rest = words[length:]
        known = names_of(path)
        for word in rest:
            if word not in known:
                return False
            node = known[word]
            known = dict(defined(node.body)) if isinstance(node, ast.ClassDef) else {}
        return True
    return False


def targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def test_every_file_and_folder_that_is_named_is_there() -> None:
    named = found(PATH, TEXTS)
    assert len(named) > 80
    missing = {path: at for path, at in named.items() if not (ROOT / path).exists()}
    assert {path: at for path, at in missing.items() if path not in TO_BE_MADE} == {}


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        (page.name, link)
        for page in PAGES
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_every_module_class_and_function_that_is_named_is_there() -> None:
    named = found(NAME, [*PAGES, *CONFIGS, *OTHERS]) | found(QUOTED, CODE)
    assert len(named) > 90
    missing = {name: at for name, at in named.items() if not exists(name)}
    assert set(missing) - {*NO_MODULES, *TO_BE_MADE} == set(), missing


def test_every_target_of_the_settings_is_there() -> None:
    named = {
        target: path
        for path in CONFIGS
        for target in targets(yaml.safe_load(path.read_text(encoding="utf-8")))
    }
    assert len(named) > 20
    ours = {t for t in named if t.startswith(("met2net.", "pipelines.", "flows."))}
    assert {target for target in ours if not exists(target)} == set()
    assert {t.partition(".")[0] for t in set(named) - ours} <= {"torch", "${training"}


def test_every_program_that_is_named_can_be_run() -> None:
    named = found(PROGRAM, TEXTS)
    assert {"pipelines.training.process", "tests.chaos"} <= set(named)
    for name in named:
        path = module_file(name)
        assert path is not None, name
        main = path if path.is_file() and path.name != "__init__.py" else None
        program = main or ROOT.joinpath(*name.split("."), "__main__.py")
        assert program.is_file() and "__main__" in program.read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("pipelines.period", True),
        ("pipelines.period.Period", True),
        ("pipelines.period.Month.parse", True),
        ("pipelines.sources.cds.Cds", True),  # what a package gives on
        ("pipelines.period.Nothing", False),
        ("pipelines.period.dataclass", False),  # imported
        ("pipelines.period.Month.nothing", False),
        ("pipelines.nothing", False),
    ],
)  # fmt: skip
def test_names_are_looked_up_in_the_source(name: str, is_there: bool) -> None:
    assert exists(name) is is_there


def test_every_room_says_what_it_gives_and_needs() -> None:
    listed = subprocess.check_output(["git", "ls-files", "pipelines", "flows"], cwd=ROOT, text=True)
    folders = {Path(line).parent for line in listed.split() if line.endswith(".py")}
    rooms = [folder for folder in folders if len(folder.parts) == 2]
    assert len(rooms) > 20
    for room in rooms:
        text = (ROOT / room / "__init__.py").read_text(encoding="utf-8")
        said = ast.get_docstring(ast.parse(text)) or ""
        assert "\nGives: " in said and "\nNeeds: " in said, room
