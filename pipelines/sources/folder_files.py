"""Files of a folder by a pattern: names that can be written down, and what the pattern misses."""

import unicodedata
from pathlib import Path

from pipelines.errors import DataError

__all__ = ["check_name", "files_below", "list_files"]

_HIDDEN = "."


def list_files(folder: Path, pattern: str) -> list[Path]:
    """List the files that match, in order of their names; hidden ones are left out."""
    return [
        path for path in sorted(folder.glob(pattern))
        if path.is_file() and not path.name.startswith(_HIDDEN)
    ]  # fmt: skip


def check_name(path: Path) -> None:
    """Refuse a name that no log, index or archive can hold.

    Raises:
        DataError: if the path is not UTF-8, or has a control character as a line break.
    """
    text = str(path)
    is_text = not any(unicodedata.category(character) in ("Cs", "Cc") for character in text)
    if not is_text:
        shown = ascii(text)[1:-1]  # bytes that are not UTF-8 as \udc80 to \udcff
        raise DataError(
            f"{shown}: found a file or folder name that is not UTF-8 text; expected one: rename it"
        )


def files_below(folder: Path, pattern: str) -> str:
    """Say, for a message, how many files lie in sub-folders where a pattern does not look."""
    if "/" in pattern or "**" in pattern:
        return ""
    below = [path for path in list_files(folder, "*/**/*") if path.is_file()]
    if not below:
        return ""
    return (
        f" ({len(below)} files lie in sub-folders, as {below[0].relative_to(folder)}: "
        "source.pattern='**/*' looks there, too)"
    )
