"""Tutorials: scripts whose text and code make a page, and whose pictures come from running them.

`docs/tutorials/NAME.py` becomes the page `tutorials/NAME`: what stands in its comments, its code,
what each cell printed, and the PNG files that it wrote, where its text shows them. A script that
fails, fails the build.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

_RUN = Path(__file__).with_name("run_cells.py")
_LINK = re.compile(r"\]\(((?:\.\./)?(?:tutorials/)?\w+)\.py\)")
_ROOT = Path(__file__).parents[2]
_QUIET = {"MPLBACKEND": "agg", "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}


def on_files(files: Files, config: Any) -> Files:
    """Run every tutorial; add its page and its pictures.

    Raises:
        PluginError: if a script fails.
    """
    for script in sorted(Path(config.docs_dir, "tutorials").glob("*.py")):
        with tempfile.TemporaryDirectory() as folder:
            page = f"tutorials/{script.stem}.md"
            files.append(File.generated(config, page, content=_page(script, Path(folder))))
            for picture in sorted(Path(folder).glob("*.png")):
                uri = f"tutorials/{picture.name}"
                files.append(File.generated(config, uri, content=picture.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to a tutorial's script, which files have, lead to its page."""
    if page.file.src_uri.startswith("tutorials/"):
        return markdown  # there the script itself is meant
    return _LINK.sub(r"](\1.md)", markdown)


def _page(script: Path, folder: Path) -> str:
    """Run a script in a folder; give its page."""
    ran = subprocess.run(
        [sys.executable, str(_RUN), str(script)],
        cwd=folder, capture_output=True, text=True, env={**os.environ, **_QUIET},
    )  # fmt: skip
    if ran.returncode:
        raise PluginError(f"the tutorial {script.name} failed:\n{ran.stderr}")
    parts = [_shown(cell) for cell in json.loads(ran.stdout.splitlines()[-1])]
    title, _, rest = parts[0].partition("\n")
    download = f"[:material-download: This page as a script]({script.name}){{ download }}"
    return "\n\n".join([title, download, rest, *parts[1:]])


def _shown(cell: dict[str, str]) -> str:
    if cell["kind"] == "text":
        return cell["source"]
    code = f"```python\n{cell['source']}\n```"
    output = cell["output"].rstrip()
    return f'{code}\n\n```text title="Output"\n{output}\n```' if output else code
