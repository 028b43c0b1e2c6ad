"""A bar with the time left on a terminal; elsewhere a log line now and then."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["progress_bar"]

Advance = Callable[[float], None]
"""Takes how much has been done since the last call."""

_LINE_SECONDS = 60.0


@contextmanager
def progress_bar(
    text: str,
    total: float,
    *,
    unit: str,
    done: float = 0,
    console: Console | None = None,
    logger: logging.Logger | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Advance]:
    """Show how far a stage is, and how long it will take, while the block runs.

    Args:
        text: what is being done.
        total: how much there is.
        unit: of what, as `days`.
        done: how much was there before, as after a resume; it says nothing of the speed.
        console: where the bar is drawn; None: the one of the log lines, or standard error.
        logger: takes a line a minute where there is no terminal; None: no lines, for stages that
            have their own.
        clock: gives seconds.

    Yields:
        A function to call with every piece done.
    """
    console = console or _console_of_logs()
    if console.is_terminal:
        with _bar(console, unit) as bar:
            task = bar.add_task(text, total=total, completed=done)  # type: ignore[arg-type]  # floats are counted, too
            yield lambda amount: bar.advance(task, amount)
        return
    yield _lines(text, total, unit=unit, done=done, logger=logger, clock=clock)


def _bar(console: Console, unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,  # a stage's own lines tell what became of it
    )


def _lines(
    text: str,
    total: float,
    *,
    unit: str,
    done: float,
    logger: logging.Logger | None,
    clock: Callable[[], float],
) -> Advance:
    """Give a function that logs a line where a minute has passed since the last one."""
    start = last = clock()
    so_far = 0.0

    def advance(amount: float) -> None:
        nonlocal so_far, last
        so_far += amount
        now = clock()
        if logger is None or now - last < _LINE_SECONDS or so_far <= 0:
            return
        last = now
        left = (total - done - so_far) * (now - start) / so_far
        logger.info(
            "%s: %g of %g %s, about %d min left", text, done + so_far, total, unit, -(-left // 60)
        )

    return advance


def _console_of_logs() -> Console:
    """Give the console on which log lines appear, which then stand above the bar."""
    for name in ("prefect", "flows", None):
        for handler in logging.getLogger(name).handlers:
            console = getattr(handler, "console", None)
            if isinstance(console, Console):
                return console
    return Console(file=sys.stderr)
