import io
import logging
import time
from datetime import timedelta

import pytest
from rich.console import Console

from flows.console.acquisition_table import Progress, acquisition_table, showing, summary_line
from pipelines.sources.cds.manifest import now
from pipelines.sources.cds.month_status import MonthStatus
from pipelines.sources.cds.waiting_times import WaitingTimes

WAITING = WaitingTimes(8, 60.0, 600.0, 2700.0, 30.0, 700.0)
UNKNOWN = WaitingTimes(0, None, None, None, None, None)


def month(name: str, phase: str = "planned", **changes: object) -> MonthStatus:
    values = {
        "since": None, "parts": 2, "parts_received": 2 if phase == "verified" else 0, "size": 0,
        "rate": None, "preliminary_hours": 0, "reason": None, **changes,
    }  # fmt: skip
    return MonthStatus(name, phase, **values)


MONTHS = [
    month("2017-01", "verified", size=3_000_000),
    month("2017-02", "verified", size=2_000_000),
    month("2017-03", "verified", size=1_000, preliminary_hours=5),
    month("2017-04", "downloading", size=1_500_000, rate=250_000.0, parts_received=1),
    month("2017-05", "queued"),
    month("2017-06", "failed", reason="the licence is not accepted"),
    month("2017-07"),
    month("2017-08"),
]


def drawn(progress: Progress, *, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(acquisition_table(progress))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_months_alike_share_a_row_and_others_tell_what_they_wait_for() -> None:
    waiting_for = month("2017-05", "queued", since=now() - timedelta(minutes=12))
    months = [waiting_for if m.name == "2017-05" else m for m in MONTHS]
    lines = drawn(Progress(months, WAITING, max_in_flight=4))
    assert lines[0].split() == ["Months", "State", "Since", "Requests", "Size", "Rate"]
    rows = [line.split() for line in lines[1:7]]
    assert rows[0] == ["2017-01", "to", "2017-02", "verified", "4/4", "5.0", "MB"]
    assert rows[1] == ["2017-03", "verified", "2/2", "1.0", "kB"]
    assert rows[2] == ["2017-04", "downloading", "1/2", "1.5", "MB", "250.0", "kB/s"]
    assert rows[3] == ["2017-05", "queued", "12", "min", "0/2"]
    assert rows[4] == ["2017-06", "failed", "0/2"]
    assert rows[5] == ["2017-07", "to", "2017-08", "planned", "0/4"]
    assert "2017-03: holds preliminary hours (ERA5T)" in lines
    assert "2017-06: the licence is not accepted" in lines


def test_the_summary_estimates_from_what_was_observed() -> None:
    # 9 requests are missing, 4 at once, 700 s each: 26 min.
    assert summary_line(Progress(MONTHS, WAITING, max_in_flight=4)) == (
        "3 of 8 months verified, 1 failed, a job takes 10 min (nine in ten under 45 min), "
        "about 26 min left"
    )
    assert summary_line(Progress(MONTHS, UNKNOWN, max_in_flight=4)) == (
        "3 of 8 months verified, 1 failed"
    )


def test_long_times_have_two_units() -> None:
    slow = WaitingTimes(1, None, 4 * 3600.0 + 1200, None, None, 86_400.0)
    text = summary_line(Progress(MONTHS, slow, max_in_flight=1))
    assert "a job takes 4 h 20 min, about 9 d 0 h left" in text


def test_without_a_terminal_changes_are_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flows.console.acquisition_table")
    looks = iter([[month("2017-01")], [month("2017-01", "queued")], [month("2017-01", "verified")]])
    last = [month("2017-01", "verified")]
    progress = lambda: Progress(next(looks, last), UNKNOWN, max_in_flight=1)  # noqa: E731
    with showing(progress, console=Console(file=io.StringIO()), seconds=0.01):
        time.sleep(0.2)
    assert [record.message for record in caplog.records] == [
        "2017-01: queued. 0 of 1 months verified",
        "2017-01: verified. 1 of 1 months verified",
    ]


def test_in_a_terminal_the_table_is_drawn_over_itself() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with showing(lambda: Progress(MONTHS, WAITING, max_in_flight=4), console=console, seconds=0.01):
        time.sleep(0.1)
    text = console.file.getvalue()
    assert text.count("2017-05") > 1
    assert "\x1b[1A" in text  # the cursor goes up, over the last drawing
