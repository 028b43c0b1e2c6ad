"""Forked processes that may be killed at any moment, and what became of them.

The parent has imported everything and runs nothing itself: a child starts in milliseconds,
and no thread of the parent's stands in its way.
"""

import ctypes
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import DataError, TrainingError

__all__ = ["Child", "Ending", "end_with_parent", "in_child"]

_REFUSED, _FAILED = 2, 1
_PR_SET_PDEATHSIG = 1
_GRACE = 20.0  # seconds for the kernel to take a killed process away


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        how: `ended`, `killed` (by the campaign), `refused` (one line for the user), `failed`
            (an exception), `died` (a signal that nobody sent) or `hung`.
        message: what it said last.
        seconds: how long it ran.
        value: what its function gave.
        peak_bytes: its largest address space.
    """

    how: str
    message: str = ""
    seconds: float = 0.0
    value: Any = None
    peak_bytes: int = 0


class Child:
    """A forked process with a group of its own, running one function.

    Args:
        function: what it runs.
        notes: folder for its output and result; on a disk that no fault concerns.
        prepare: called in the child first; limits and clocks are set here.
    """

    def __init__(
        self,
        function: Callable[[], Any],
        *,
        notes: Path,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        notes.mkdir(parents=True, exist_ok=True)
        number = len(list(notes.iterdir()))
        self.log = notes / f"{number:03d}.log"
        self._result = notes / f"{number:03d}.pickle"
        self.log.touch()
        sys.stdout.flush()
        sys.stderr.flush()
        self._start = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(function, prepare)
        self._ended = os.pidfd_open(self.pid)

    def _run(self, function: Callable[[], Any], prepare: Callable[[], None]) -> None:
        """Be the child: run, write the result, and end without the parent's clean-up."""
        status = _FAILED
        try:
            end_with_parent()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.setpgid(0, 0)
            output = os.open(self.log, os.O_WRONLY | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
            prepare()
            value = function()
            self._result.write_bytes(pickle.dumps((value, _peak_bytes())))
            status = 0
        except (DataError, TrainingError) as error:
            print(f"error: {error}", flush=True)
            status = _REFUSED
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else _FAILED
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def kill(self) -> None:
        """Kill it and what it started; nothing where it has ended."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.kill(self.pid, signal.SIGKILL)  # before it had a group
        except ProcessLookupError:
            pass

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most so long; tells whether it has come."""
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        return bool(poll.poll(max(0.0, 1000 * seconds)))

    def ending(self, *, patience: float, kill_after: float | None = None) -> Ending:
        """Wait for it or kill it, and say how it ended."""
        by_hand = kill_after is not None and not self.wait(kill_after)
        hung = not by_hand and not self.wait(patience)
        if by_hand or hung:
            self.kill()
            self.wait(_GRACE)
        seconds = time.monotonic() - self._start
        _, status = os.waitpid(self.pid, 0)
        self.kill_group()
        os.close(self._ended)
        code = os.waitstatus_to_exitcode(status)
        if hung:
            return Ending("hung", f"after {patience:.0f} s: {self._last_line()}", seconds)
        if code == 0:
            value, peak = pickle.loads(self._result.read_bytes())
            return Ending("ended", "", seconds, value, peak)
        if by_hand and code == -signal.SIGKILL:
            return Ending("killed", "", seconds)
        if code < 0:
            return Ending("died", signal.Signals(-code).name, seconds)
        how = "refused" if code == _REFUSED else "failed"
        return Ending(how, self._last_line(), seconds)

    def kill_group(self) -> None:
        """Kill what it started and left behind."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def _last_line(self) -> str:
        lines = [x for x in self.log.read_text(errors="replace").splitlines() if x.strip()]
        said = [line for line in lines if line.startswith("error: ")]
        return (said or lines or [""])[-1].strip()[:300]


def in_child(function: Callable[[], Any], *, notes: Path, patience: float = 300.0) -> Ending:
    """Run a function in a child to its end.

    Raises:
        RuntimeError: if it does not end well.
    """
    child = Child(function, notes=notes)
    ending = child.ending(patience=patience)
    if ending.how != "ended":
        text = child.log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{ending.how}: {ending.message}\n{text}")
    return ending


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _peak_bytes() -> int:
    """Give the largest size of this process's address space so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmPeak:"):
            return int(line.split()[1]) * 1024
    return 0
