"""Commands that begin with signals as a terminal's shell leaves them, whatever runs the tests.

Between fork and exec nothing may run here (`preexec_fn`): Python then calls the handlers of
os.fork, and JAX's warns in every process that has imported it. The command sets its signals itself
and then becomes the program that it names.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PROGRAM = """
import os, signal, sys
ignored = int(sys.argv[1])
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)
os.execv(sys.argv[2], sys.argv[2:])
"""


def from_terminal(
    command: Sequence[str | Path], *, ignored: signal.Signals | None = None
) -> list[str]:
    """Give the command that runs another one, by its full path, with a terminal's signals."""
    return [sys.executable, "-c", _PROGRAM, str(int(ignored or 0)), *map(str, command)]
