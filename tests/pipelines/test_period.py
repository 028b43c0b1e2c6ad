import numpy as np
import pytest

from pipelines.period import Month, Period


def test_dates_mean_whole_days() -> None:
    period = Period("2016-01-30", "2016-02-01")
    assert str(period.first) == "2016-01-30T00"
    assert str(period.last) == "2016-02-01T23"
    assert len(period.hours()) == 72


def test_months_cover_the_period_across_a_year() -> None:
    months = Period("2015-12-31T20", "2016-02-01T00").months()
    assert [str(m) for m in months] == ["2015-12", "2016-01", "2016-02"]


def test_hours_in_a_month_stop_at_the_period() -> None:
    period = Period("2015-12-31T20", "2016-02-01T00")
    assert len(period.hours_in(Month(2015, 12))) == 4
    assert len(period.hours_in(Month(2016, 1))) == 744
    assert len(period.hours_in(Month(2016, 2))) == 1
    assert sum(len(period.hours_in(m)) for m in period.months()) == len(period.hours())


def test_february_of_a_leap_year_has_29_days() -> None:
    assert len(Month(2016, 2).hours()) == 29 * 24
    assert Month.parse("2016-02").following() == Month(2016, 3)


def test_contains_both_ends() -> None:
    period = Period("2016-01-01T05", "2016-01-01T06")
    times = np.array(["2016-01-01T04", "2016-01-01T05", "2016-01-01T06", "2016-01-01T07"], "M8[ns]")
    assert period.contains(times).tolist() == [False, True, True, False]


def test_bad_periods_are_refused() -> None:
    with pytest.raises(ValueError, match="ends 2015-01-01, before it starts 2016-01-01"):
        Period("2016-01-01", "2015-01-01")
    with pytest.raises(ValueError, match="cannot read 'yesterday' as a time"):
        Period("yesterday", "2016-01-01")
    with pytest.raises(ValueError, match="month number is 13"):
        Month(2016, 13)


def test_a_month_stands_for_its_first_or_its_last_hour() -> None:
    period = Period("2017-01", "2020-02")
    assert str(period) == "2017-01-01T00 to 2020-02-29T23"
    assert Period.parse("2017-01/2020-02") == period
    assert str(Period.parse(" 2017-01-05 / 2017-01-06T03 ")) == "2017-01-05T00 to 2017-01-06T03"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2017-02", "2017-02-01T00 to 2017-02-28T23"),
        ("2016", "2016-01-01T00 to 2016-12-31T23"),
        ("2016-02-29", "2016-02-29T00 to 2016-02-29T23"),
        ("2016-02-29T07", "2016-02-29T07 to 2016-02-29T07"),
        ("2016-02-29T07:00", "2016-02-29T07 to 2016-02-29T07"),
        ("2016/2018", "2016-01-01T00 to 2018-12-31T23"),
        ("2016-12/2017", "2016-12-01T00 to 2017-12-31T23"),
    ],
)
def test_a_period_of_one_month_year_day_or_hour_is_that_one(text: str, span: str) -> None:
    assert str(Period.parse(text)) == span


@pytest.mark.parametrize("text", ["", "/", "2017-01/", "/2017-01", "2017-01/2017-02/2017-03"])
def test_a_period_in_one_text_has_one_or_two_ends(text: str) -> None:
    with pytest.raises(ValueError, match=f"found the period '{text}'; expected a month, as 2017"):
        Period.parse(text)


# All of these are times to NumPy: other ones than were meant.
@pytest.mark.parametrize(
    "text", ["201701", "20170131", "now", "today", "NaT", "2017-01-31T05:30", "2017-02-30", "17-01"]
)
def test_a_time_that_is_no_full_hour_day_month_or_year_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"cannot read '{text}' as a time; expected a full hour"):
        Period.parse(text)
