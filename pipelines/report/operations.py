"""Sections of text and tables, as Markdown and as one page that needs only a browser."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.atomic import write_text
from pipelines.report.template import page_template

__all__ = ["Section", "to_markdown", "write_page"]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: its heading.
        lines: a paragraph each; shown as a list where there are several.
        header: of a table; none where there is no table.
        rows: its cells.
    """

    title: str
    lines: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """Write sections in Markdown."""
    parts = [f"# {title}"]
    for section in sections:
        parts.append(f"## {section.title}")
        if section.lines:
            marker = "- " if len(section.lines) > 1 else ""
            parts.append("\n".join(marker + line for line in section.lines))
        if section.header:
            rows = [section.header, ("---",) * len(section.header), *section.rows]
            parts.append("\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in rows))
    return "\n\n".join(parts) + "\n"


def write_page(path: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write sections as HTML, whole or not at all."""
    template = page_template("operations.html.j2")
    write_text(path, template.render(title=title, sections=sections))
    return path


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
