"""Pages and links that lie outside `docs/`.

`CONTRIBUTING.md` and `CHANGELOG.md` become pages of the site. Any other link to a file of the
repository leads to it where `SOURCE_URL` says where the files are shown, as the workflow does;
without it, the text alone is left.
"""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>[^()#:\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie at the top of the repository."""
    for name, page in _PAGES.items():
        text = (_ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_relinked(text, "")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that leave `docs/`."""
    if page.file.generated_by is not None:
        return markdown
    return _relinked(markdown, posixpath.dirname(f"docs/{page.file.src_uri}"))


def _relinked(markdown: str, folder: str) -> str:
    """Turn the links of a page that lies in this folder of the repository.

    A generated page is at the top of the site, as its file is at the top of the repository.
    """

    def turned(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link["path"]))
        anchor = link["anchor"] or ""
        inside = path.removeprefix("docs/")
        if path in _PAGES:
            inside = _PAGES[path]
        elif inside == path:
            url = os.environ.get("SOURCE_URL")
            return f"[{link['text']}]({url}/{path}{anchor})" if url else link["text"]
        start = folder.removeprefix("docs").removeprefix("/") or "."
        return f"[{link['text']}]({posixpath.relpath(inside, start)}{anchor})"

    return _LINK.sub(turned, markdown)
