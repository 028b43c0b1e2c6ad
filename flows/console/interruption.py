"""Ctrl-C, SIGTERM and SIGHUP end a run at once: cancelled, no process left, one line.

Whatever a stage was doing is cut off as by `kill -9`, after which every stage goes on where it
stopped; so nothing needs to be unwound, and a long computation cannot delay the end.
"""

import contextvars
import logging
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any
from uuid import UUID

import psutil

__all__ = ["Interruption", "end_at_once"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CANCEL_SECONDS = 2.5
_END_SECONDS = 1.0


def end_at_once() -> None:
    """Let a signal end this process with one line, before there is a run; nohup's stays ignored.

    For the seconds of imports until `Interruption.watch`.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


class Interruption:
    """What ends this process by a signal, once watched.

    Attributes:
        flow_run: the run to be marked as cancelled, while there is one.
    """

    def __init__(self) -> None:
        self.flow_run: UUID | None = None
        self._context = contextvars.copy_context()

    def watch(self) -> None:
        """Take the signals over; a signal that was ignored (nohup) stays ignored."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        # A handler waits for the main thread to come back from whatever library it is in; this
        # does not.
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._writer = writer  # open as long as the signals are watched
        self._take_signals()
        threading.Thread(target=self._wait, args=(reader,), daemon=True).start()

    def begin(self, flow: Any, flow_run: Any, state: Any) -> None:
        """Hook of a flow that begins to run: Prefect has taken SIGTERM, to crash the run."""
        del flow, state
        self.flow_run = flow_run.id
        self._context = contextvars.copy_context()
        self._take_signals()

    def end(self, flow: Any, flow_run: Any, state: Any) -> None:
        """Hook of a flow that has ended: what it came to stays, whatever signal follows."""
        del flow, flow_run, state
        self.flow_run = None

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stand_still)

    def _wait(self, reader: socket.socket) -> None:
        while True:
            number = reader.recv(1)[0]
            if number in _SIGNALS:
                break
        status = 128 + number
        try:
            logging.disable(logging.CRITICAL)
            threading.excepthook = _say_nothing
            self._cancel_in_time(signal.Signals(number).name)
            _end_children()
            _say(
                f"stopped by {signal.Signals(number).name}: what was finished is kept, and the "
                "same command goes on from there"
            )
        finally:
            os._exit(status)

    def _cancel_in_time(self, name: str) -> None:
        """Mark the run; a server that does not answer is not waited for."""
        if self.flow_run is None:
            return
        cancelling = threading.Thread(target=self._context.run, args=(self._cancel, name))
        cancelling.daemon = True
        cancelling.start()
        cancelling.join(_CANCEL_SECONDS)

    def _cancel(self, name: str) -> None:
        from prefect.client.orchestration import get_client
        from prefect.states import Cancelled

        assert self.flow_run is not None
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(
                self.flow_run, Cancelled(message=f"Stopped by {name}."), force=True
            )


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    _say(f"stopped by {signal.Signals(number).name} before the run began")
    os._exit(128 + number)


def _stand_still(number: int, frame: FrameType | None) -> None:
    """Keep the main thread from doing anything more."""
    del number, frame
    while True:
        time.sleep(1)


def _say_nothing(arguments: threading.ExceptHookArgs) -> None:
    """Keep the last line the only one: servers and clients may be on their way out, too."""
    del arguments


def _end_children() -> None:
    children = psutil.Process().children(recursive=True)
    for child in children:
        _signal(child, signal.SIGKILL)
    psutil.wait_procs(children, timeout=_END_SECONDS)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _say(line: str) -> None:
    """Say a last line, where somebody still reads."""
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{line}\n".encode())
    except OSError:
        return
