"""A live table of the months that a backfill fetches; without a terminal, plain lines."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby

from prefect.logging.handlers import PrefectConsoleHandler
from rich import filesize
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipelines.sources.cds.manifest import now
from pipelines.sources.cds.month_status import MonthStatus, Phase
from pipelines.sources.cds.waiting_times import WaitingTimes

__all__ = ["Progress", "acquisition_table", "showing", "summary_line"]

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_STYLES: dict[Phase, str] = {
    "planned": "dim", "submitting": "cyan", "queued": "cyan", "running": "blue",
    "downloading": "magenta", "verified": "green", "failed": "bold red",
}  # fmt: skip


class Progress:
    """All months of a backfill at one moment.

    Attributes:
        months: in order of time.
        waiting: durations observed so far.
        max_in_flight: requests at once.
    """

    def __init__(
        self, months: Sequence[MonthStatus], waiting: WaitingTimes, *, max_in_flight: int
    ) -> None:
        self.months = list(months)
        self.waiting = waiting
        self.max_in_flight = max_in_flight

    @property
    def remaining(self) -> timedelta | None:
        """Estimated time until all is there."""
        parts = sum(month.parts - month.parts_received for month in self.months)
        return self.waiting.remaining(parts, max_in_flight=self.max_in_flight)


def acquisition_table(progress: Progress) -> RenderableType:
    """Draw the table: months in the same state share a row where nothing tells them apart."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    columns: tuple[tuple[str, JustifyMethod, int], ...] = (
        ("Months", "left", 18), ("State", "left", 11), ("Since", "right", 10),
        ("Requests", "right", 8), ("Size", "right", 8), ("Rate", "right", 9),
    )  # fmt: skip
    for name, justify, width in columns:
        # Columns of one width, so that the table does not jump.
        table.add_column(name, justify=justify, no_wrap=True, min_width=width)
    notes = []
    for _, group in groupby(enumerate(progress.months), key=_together):
        months = [month for _, month in group]
        table.add_row(*_row(months), style=_STYLES[months[0].phase])
        if note := _note(months):
            notes.append(Text(f"{_name(months)}: {note}", style=_STYLES[months[0].phase]))
    return Group(table, Text(), *notes, Text(summary_line(progress)))


def summary_line(progress: Progress) -> str:
    """Say in one line how far all is, what the waiting was like, and how long it may take."""
    months, waiting = progress.months, progress.waiting
    verified = sum(month.phase == "verified" for month in months)
    failed = sum(month.phase == "failed" for month in months)
    texts = [f"{verified} of {len(months)} months verified"]
    if failed:
        texts.append(f"{failed} failed")
    if waiting.ready is not None:
        texts.append(f"a job takes {_duration(waiting.ready)}")
        if waiting.ready_slowest_tenth is not None:
            texts[-1] += f" (nine in ten under {_duration(waiting.ready_slowest_tenth)})"
    remaining = progress.remaining
    if remaining is not None and verified + failed < len(months):
        texts.append(f"about {_duration(remaining.total_seconds())} left")
    return ", ".join(texts)


@contextmanager
def showing(
    look: Callable[[], Progress], *, console: Console | None = None, seconds: float = _LOOK_SECONDS
) -> Iterator[None]:
    """Show progress while the block runs.

    Args:
        look: gives the progress now; called once every `seconds` from another thread.
        console: where the table is drawn, by default the one that Prefect logs to; lines are
            logged where it is no terminal.
        seconds: between two looks.
    """
    console = console or _console_of_logs()
    if not console.is_terminal:
        with _repeating(_lines(look), seconds):
            yield
        return
    with Live(acquisition_table(look()), console=console, auto_refresh=False) as live:
        with _repeating(lambda: live.update(acquisition_table(look()), refresh=True), seconds):
            yield


def _console_of_logs() -> Console:
    """Give the console of Prefect's log lines, which then appear above the table."""
    for name in ("prefect", "flows", None):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, PrefectConsoleHandler):
                return handler.console
    return Console(stderr=True)


def _lines(look: Callable[[], Progress]) -> Callable[[], None]:
    """Give a function that logs the months whose state has changed since its last call.

    What is there from earlier runs is no news.
    """
    known: dict[str, Phase] = {month.name: month.phase for month in look().months}

    def report() -> None:
        progress = look()
        for month in progress.months:
            before = known.get(month.name)
            known[month.name] = month.phase
            if month.phase != before:
                note = f": {month.reason}" if month.reason else ""
                _log.info("%s: %s%s. %s", month.name, month.phase, note, summary_line(progress))

    return report


@contextmanager
def _repeating(call: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call something again and again in a thread, and once more at the end."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(seconds):
            call()

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        call()


def _together(numbered: tuple[int, MonthStatus]) -> object:
    """Give what months of one row share; a month under way has a row of its own."""
    number, month = numbered
    if month.phase in ("planned", "verified"):
        return month.phase, month.preliminary_hours > 0
    return number


def _name(months: Sequence[MonthStatus]) -> str:
    first, last = months[0], months[-1]
    return first.name if first is last else f"{first.name} to {last.name}"


def _row(months: Sequence[MonthStatus]) -> list[str]:
    first = months[0]
    size, rate = sum(month.size for month in months), first.rate
    received = sum(month.parts_received for month in months)
    return [
        _name(months),
        first.phase,
        _since(first) if len(months) == 1 and first.phase != "verified" else "",
        f"{received}/{sum(month.parts for month in months)}",
        filesize.decimal(size) if size else "",
        f"{filesize.decimal(int(rate))}/s" if rate else "",
    ]


def _note(months: Sequence[MonthStatus]) -> str:
    if any(month.preliminary_hours for month in months):
        return "holds preliminary hours (ERA5T)"
    return (months[0].reason or "") if len(months) == 1 else ""


def _since(month: MonthStatus) -> str:
    return "" if month.since is None else _duration((now() - month.since).total_seconds())


def _duration(seconds: float) -> str:
    """Write a duration with two units at most: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    seconds = max(0, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
