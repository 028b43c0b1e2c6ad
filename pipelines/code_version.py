"""Which code ran: the git commit of this checkout, or the content of some files."""

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import met2net

__all__ = ["git_commit", "sources_sha256"]

_ROOT = Path(__file__).resolve().parents[1]
_CODE = ("met2net", "pipelines", "flows", "configs")


def git_commit(root: Path = _ROOT) -> str:
    """Give the commit, with `-dirty` where files differ from it, or code or settings are new.

    Git is asked about this checkout alone: variables that a hook of another repository sets
    (`GIT_DIR`, `GIT_WORK_TREE`, ...) do not count, nor who owns the files.

    Args:
        root: folder that holds `met2net/` and `pipelines/`.

    Returns:
        The commit; without one, the package's version and why there is none: `met2net 0.1.0 (no
        git checkout)`, as of an installed copy, or `(git is not installed)`.
    """
    version = f"met2net {met2net.__version__}"
    # An installed copy may lie inside a checkout of somebody else, as `.venv` does.
    if not (root / ".git").exists():
        return f"{version} (no git checkout)"
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
        # New files elsewhere, as weather that somebody keeps in the checkout, change nothing.
        changed += _git(root, "ls-files", "--others", "--exclude-standard", "--", *_CODE)
    except FileNotFoundError:
        return f"{version} (git is not installed)"
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"status {error.returncode}"])[0]
        return f"{version} (git: {reason})"
    return commit + ("-dirty" if changed else "")


def sources_sha256(files: Iterable[Path]) -> str:
    """Name the code that stands in some files, whether it is committed or not."""
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(path.read_bytes())
    return content.hexdigest()


def _git(root: Path, *arguments: str) -> str:
    """Run git in a checkout and give what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {
        # Read as given on the command line, the one place beside the user's own files from which
        # git takes this setting.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(root),
        "GIT_OPTIONAL_LOCKS": "0",  # only looking: `status` would write the index
        "LC_ALL": "C",
    }
    # Settings of the checkout that name programs to run are of its owner, who may be another.
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()
