"""Waiting: for a service that does not answer, as long as patience lasts, until told to stop."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from pipelines.errors import DataError
from pipelines.sources.cds.patience import Patience
from pipelines.sources.cds.service_errors import Unreachable

__all__ = ["Deadline", "GaveUp", "Stopped", "sleep"]

_T = TypeVar("_T")


class Stopped(Exception):
    """The acquisition was told to stop; what is written down lets the next run go on."""


class GaveUp(DataError):
    """The service was unreachable for longer than patience lasts."""


class Deadline:
    """Repeats calls while the service is unreachable, for as long as patience allows."""

    def __init__(self, patience: Patience, stop: threading.Event) -> None:
        self._patience = patience
        self._stop = stop
        self._since: float | None = None
        self._pauses: Iterator[float] = patience.pauses()

    def repeat(self, call: Callable[[], _T], note: Callable[[str], object]) -> _T:
        """Call until it is answered."""
        while True:
            try:
                return call()
            except Unreachable as error:
                note(str(error))
                self.pause(error)

    def pause(self, error: Unreachable) -> None:
        """Wait before the next attempt, or give up."""
        moment = time.monotonic()
        self._since = moment if self._since is None else self._since
        pause = next(self._pauses)
        asked = ""
        if error.retry_after is not None and error.retry_after > pause:
            pause = error.retry_after
            asked = f", and now asks to wait {pause:g} s more"
        if moment + pause - self._since > self._patience.unreachable:
            raise GaveUp(
                f"the Climate Data Store could not be reached for {moment - self._since:.0f} s"
                f"{asked}; expected an answer within {self._patience.unreachable:g} s "
                f"(source.patience.unreachable). The last trouble: {error}"
            ) from error
        sleep(pause, self._stop)


def sleep(seconds: float, stop: threading.Event) -> None:
    """Wait; end at once when told to stop.

    Raises:
        Stopped: if told to stop.
    """
    if stop.wait(seconds):
        raise Stopped
