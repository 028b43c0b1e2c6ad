"""Files of code that pages name, as `met2net/models/tau.py`, lead to the reference."""

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?<!\[)`((met2net|pipelines|flows)/[\w/]+)(?:\.py|/)`")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Link what stands outside blocks of code."""
    parts = _FENCE.split(markdown)
    return "".join(
        part if place % 2 else _FILE.sub(_linked, part) for place, part in enumerate(parts)
    )


def _linked(found: re.Match[str]) -> str:
    """Give a cross-reference to a module of the library, or to the room of another file."""
    path, package = found[1], found[2]
    parts = path.split("/")
    if package != "met2net":
        if not (_ROOT / package / parts[1]).is_dir():
            return found[0]
        parts = parts[:2]
    elif not (_ROOT / path).with_suffix(".py").is_file():
        return found[0]
    return f"[{found[0]}][{'.'.join(parts)}]"
