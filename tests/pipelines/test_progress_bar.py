import io
import logging
import re

import pytest
from rich.console import Console

from pipelines.progress_bar import progress_bar

log = logging.getLogger("test.progress")


def make_console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=100)


class Clock:
    """Gives the seconds that it was set to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_terminal_gets_a_bar_with_count_and_time_left():
    console = make_console(is_terminal=True)
    with progress_bar("simulating", 40, unit="days", done=10, console=console) as advance:
        advance(10)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    assert "simulating" in text and "20/40 days" in text and "left" in text


def test_elsewhere_a_line_a_minute_says_how_long_it_will_take(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "test.progress")
    console, clock = make_console(is_terminal=False), Clock()
    with progress_bar(
        "scoring", 100, unit="forecasts", done=20, console=console, logger=log, clock=clock
    ) as advance:
        for seconds in (30.0, 59.0, 120.0, 150.0):
            clock.seconds = seconds
            advance(10)
    # 30 done in 120 s leaves 50: 200 s.
    assert caplog.messages == ["scoring: 50 of 100 forecasts, about 4 min left"]
    assert console.file.getvalue() == ""


def test_without_a_logger_nothing_is_said_elsewhere(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    clock = Clock()
    console = make_console(is_terminal=False)
    with progress_bar("simulating", 10, unit="days", console=console, clock=clock) as advance:
        clock.seconds = 100.0
        advance(5)
    assert caplog.messages == [] and console.file.getvalue() == ""


def test_the_bar_stands_on_the_console_of_the_log_lines(monkeypatch: pytest.MonkeyPatch):
    console = make_console(is_terminal=True)
    handler = logging.NullHandler()
    handler.console = console
    monkeypatch.setattr(logging.getLogger("prefect"), "handlers", [handler])
    with progress_bar("scoring", 2, unit="forecasts") as advance:
        advance(2)
    assert "2/2" in console.file.getvalue()
