"""The catalogue of error messages quotes messages that the source has."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(.+?)` \| ", re.MULTILINE)


def texts() -> str:
    """Give all texts of the source, those of one literal joined, as a message shows them."""
    found = []
    for folder in ("met2net", "pipelines", "flows"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.append("".join(_part(part) for part in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\0".join(found)


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return ast.unparse(ast.JoinedStr([node]))[2:-1]


def test_every_quoted_message_stands_in_the_source() -> None:
    quoted = ROW.findall(PAGE)
    assert 30 <= len(quoted) <= 65
    source = texts()
    assert [message for message in quoted if message not in source] == []
    assert len(set(quoted)) == len(quoted)
