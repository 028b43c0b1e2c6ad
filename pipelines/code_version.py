"""Which code ran: the git commit of this checkout, or the content of some files."""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

import met2net

__all__ = ["git_commit", "sources_sha256"]

_ROOT = Path(__file__).resolve().parents[1]


def git_commit() -> str:
    """Give the commit, with `-dirty` where tracked files differ from it.

    Without a git checkout it is the version of the package.
    """
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return f"met2net {met2net.__version__}"
    return commit + ("-dirty" if changed else "")


def sources_sha256(files: Iterable[Path]) -> str:
    """Name the code that stands in some files, whether it is committed or not."""
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(path.read_bytes())
    return content.hexdigest()


def _git(*arguments: str) -> str:
    """Run git in this checkout and give what it printed."""
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
