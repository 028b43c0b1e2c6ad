"""Run a script cell by cell, as a notebook would, and tell what each cell printed.

`python docs/hooks/run_cells.py SCRIPT` runs it in the working folder and prints JSON: a list of
cells, each with `kind` (`text` or `code`), `source` and `output`. Cells begin at lines `# %%`;
those at `# %% [markdown]` hold text in comments.
"""

import ast
import contextlib
import io
import json
import re
import sys
from pathlib import Path

__all__ = ["cells_of", "run"]

_START = re.compile(r"^# %%(?P<text> \[markdown\])?[^\n]*\n", re.MULTILINE)


def cells_of(script: str) -> list[dict[str, str]]:
    """Cut a script into cells.

    Raises:
        ValueError: if something stands before the first cell, or a line of text is no comment.
    """
    starts = list(_START.finditer(script))
    if not starts or script[: starts[0].start()].strip():
        raise ValueError("the script does not begin with a cell; expected a line `# %%`")
    ends = [start.start() for start in starts[1:]] + [len(script)]
    sources = (script[start.end() : end] for start, end in zip(starts, ends, strict=True))
    return [_cell(start, source) for start, source in zip(starts, sources, strict=True)]


def _cell(start: re.Match[str], source: str) -> dict[str, str]:
    if not start["text"]:
        return {"kind": "code", "source": source.strip("\n"), "output": ""}
    lines = source.strip("\n").splitlines()
    bare = [line for line in lines if line != "#" and not line.startswith("# ")]
    if bare:
        raise ValueError(f"found {bare[0]!r} in a cell of text; expected a comment")
    return {"kind": "text", "source": "\n".join(line[2:] for line in lines), "output": ""}


def run(script: Path) -> list[dict[str, str]]:
    """Run all cells of code in one namespace; errors go on."""
    text = script.read_text(encoding="utf-8")
    cells, namespace = cells_of(text), {"__name__": "__main__"}
    for cell in cells:
        if cell["kind"] == "code":
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(ast.parse(cell["source"]), str(script), "exec"), namespace)
            cell["output"] = said.getvalue()
    return cells


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]).resolve())))
