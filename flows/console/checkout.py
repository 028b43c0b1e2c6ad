"""The code that runs is the code beside the flow's file, whose environment it may be or not."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["run_the_code_beside"]

_ROOT = Path(__file__).resolve().parents[2]


def run_the_code_beside(file: Path, command: Sequence[str]) -> None:
    """Begin anew with the code beside a flow's file, where another checkout's is loaded.

    An environment is installed from one checkout; a worktree or second clone may use it, and
    must run its own code and settings. Returns where this is that code already, or the file is
    of no checkout.

    Args:
        file: with a flow.
        command: arguments of Python for the same command.
    """
    folder = file.resolve().parent
    root = folder.parent
    is_checkout = folder.name == "flows" and all(
        (root / name).is_dir() for name in ("configs", "pipelines")
    )
    found = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if not is_checkout or root == _ROOT or str(root) in found[:1]:
        return
    print(f"running the code in {root}, not the installed one in {_ROOT}", file=sys.stderr)
    sys.stderr.flush()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *filter(None, found)])
    os.execv(sys.executable, [sys.executable, *command])
