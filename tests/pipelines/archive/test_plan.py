import numpy as np
import pytest

from pipelines.archive.plan import WantedMonth, plan_month, plan_months
from pipelines.errors import DataError
from pipelines.period import Month, Period

NOTHING = np.array([], dtype="datetime64[h]")


def hours(start: str, end: str) -> np.ndarray:
    return Period(start, end).hours()


def wanted(start: str, end: str) -> list[WantedMonth]:
    period = Period(start, end)
    return [WantedMonth(month, period.hours_in(month)) for month in period.months()]


def test_each_month_is_planned_on_what_the_one_before_leaves():
    plans = plan_months(wanted("2016-01-30", "2016-04-01"), hours("2016-01-30", "2016-02-10"))
    assert [plan.action for plan in plans] == ["none", "extend", "append", "append"]
    assert [plan.start for plan in plans] == [0, 48, 48 + 29 * 24, 48 + 60 * 24]
    assert [len(plan.hours) for plan in plans] == [48, 29 * 24, 31 * 24, 24]


def test_new_archive_starts_at_the_first_wanted_hour():
    plans = plan_months(
        wanted("2016-01-30", "2016-02-01T05"), hours("2016-01-01", "2016-01-01")[:0]
    )
    assert [(plan.action, plan.start, len(plan.hours)) for plan in plans] == [
        ("append", 0, 48), ("append", 48, 6),
    ]  # fmt: skip


def test_month_keeps_the_hours_that_it_had():
    (plan,) = plan_months(wanted("2016-02-03", "2016-02-06"), hours("2016-01-31", "2016-02-04"))
    assert (plan.action, plan.start) == ("extend", 24)
    np.testing.assert_array_equal(plan.hours, hours("2016-02-01", "2016-02-06"))


def test_gap_is_refused_before_anything_else_is_planned():
    with pytest.raises(DataError, match="expected hours from 2016-02-01T00 on, .*: a gap"):
        plan_months(wanted("2016-02-02", "2016-03-01"), hours("2016-01-30", "2016-01-31"))
    with pytest.raises(DataError, match="starts at 2016-01-30T00 and grows at its end only"):
        plan_month(
            WantedMonth(Month(2015, 12), hours("2015-12-31", "2015-12-31")),
            hours("2016-01-30", "2016-01-31"),
        )
    with pytest.raises(DataError, match="expected hour 00 of a day"):
        plan_months(wanted("2016-01-01T06", "2016-01-02"), NOTHING)
