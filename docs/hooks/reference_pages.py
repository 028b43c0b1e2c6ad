"""Pages of the reference, made from docstrings.

A page a room of the library, filled by mkdocstrings, module by module; a page for the stages, one
for the flows, for who works on them: their rooms, and what each file says in its first line.
"""

import ast
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_FRONT = "front_door"
_TITLES = {"pipelines": "The stages: pipelines", "flows": "The flows"}


def on_config(config: Any) -> Any:
    """Add the pages to the navigation, under Reference."""
    reference = next(entry["Reference"] for entry in config.nav if "Reference" in entry)
    rooms = [{_title(room): f"reference/met2net/{room}.md"} for room in (_FRONT, *_rooms())]
    reference.append({"The library, room by room": rooms})
    reference += [{title: f"reference/{name}.md"} for name, title in _TITLES.items()]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    pages = {f"met2net/{room}": _library_page(room) for room in (_FRONT, *_rooms())}
    pages |= {name: _rooms_page(name, title) for name, title in _TITLES.items()}
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def _rooms() -> list[str]:
    """Give the folders of the library, in the order of docs/architecture.md."""
    order = ["data", "models", "training", "forecasting", "verification", "analysis"]
    found = [path.parent.name for path in (_ROOT / "met2net").glob("*/__init__.py")]
    return sorted(found, key=lambda name: (order + found).index(name))


def _title(room: str) -> str:
    return "met2net" if room == _FRONT else f"met2net.{room}"


def _modules(folder: Path, pattern: str) -> list[str]:
    """Give the dotted names of modules."""
    paths = (p.relative_to(_ROOT) for p in folder.glob(pattern) if p.stem != "__init__")
    return [".".join(path.with_suffix("").parts) for path in sorted(paths)]


def _library_page(room: str) -> str:
    if room == _FRONT:
        modules = _modules(_ROOT / "met2net", "*.py")
        text = "The files at the top of the library, where data, networks and training meet."
    else:
        modules = _modules(_ROOT / "met2net" / room, "**/*.py")
        text = f"Every file of `met2net/{room}/`."
    text += " What may be built on stands on [one page](../library.md); the rest may move."
    blocks = [f"::: {module}\n    options:\n      heading_level: 2" for module in modules]
    return "\n\n".join([f"# {_title(room)}", text, *blocks])


def _rooms_page(package: str, title: str) -> str:
    """Give the rooms of a package with their files, by what their docstrings say."""
    folder = _ROOT / package
    parts = [f"# {title}", _docstring(folder / "__init__.py"), _table(folder)]
    for room in sorted(path.parent for path in folder.glob("*/__init__.py")):
        name = f"{package}.{room.name}"
        parts += [f"## {name} {{ #{name} }}", _docstring(room / "__init__.py"), _table(room)]
    return "\n\n".join(parts)


def _table(folder: Path) -> str:
    """Give the files of a folder, those of its folders too, with their first lines."""
    deep = (folder / "__init__.py").is_file() and folder.parent != _ROOT
    paths = sorted(p for p in folder.glob("**/*.py" if deep else "*.py") if p.stem != "__init__")
    rows = [f"| `{path.relative_to(folder)}` | {_first_line(path)} |" for path in paths]
    return "\n".join(["| file | holds |", "|---|---|", *rows]) if rows else ""


def _first_line(path: Path) -> str:
    return _docstring(path).partition("\n\n")[0].replace("\n", " ")


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
