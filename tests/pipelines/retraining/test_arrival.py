from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.retraining.arrival import Arrival, as_moment
from pipelines.retraining.rolling_splits import RollingSplits


@pytest.mark.parametrize(
    ("now", "month"),
    [
        ("2020-03-05T23:59:59", "2020-01"),  # February ends with the 29th: 5 days, not 6
        ("2020-03-07T00:00:00", "2020-02"),
        ("2020-01-06T23:59:59", "2019-11"),
        ("2020-01-07T00:00:00", "2019-12"),
    ],
)
def test_a_month_is_there_once_its_delay_is_over(now, month):
    assert str(Arrival(delay_days=6).newest_month(datetime.fromisoformat(now))) == month


@given(
    year=st.integers(1980, 2100), number=st.integers(1, 12), delay=st.floats(0, 40),
)  # fmt: skip
def test_a_month_is_the_newest_from_the_moment_at_which_it_is_available(year, number, delay):
    arrival, month = Arrival(delay_days=delay), Month(year, number)
    moment = arrival.available_from(month)
    assert arrival.newest_month(moment) == month
    assert arrival.newest_month(moment - timedelta(seconds=1)) < month


def test_another_zone_s_clock_is_read_as_utc():
    zone = timezone(timedelta(hours=5, minutes=30))
    assert as_moment(datetime(2020, 3, 7, 5, 29, tzinfo=zone)) == np.datetime64("2020-03-06T23:59")
    assert Arrival().available_from(Month(2020, 2)) == datetime(2020, 3, 7, tzinfo=UTC)


def test_preliminary_months_are_due_when_they_should_be_final():
    months = [Month(2020, 1), Month(2020, 2)]
    arrival = Arrival(final_delay_days=90)
    assert arrival.due(months, datetime(2020, 4, 30, 23)) == []
    assert arrival.due(months, datetime(2020, 5, 1)) == [Month(2020, 1)]
    assert arrival.due(months, datetime(2020, 7, 1)) == months


def test_delays_out_of_order_are_refused():
    with pytest.raises(ValueError, match="expected 0 <= delay_days <= final_delay_days"):
        Arrival(delay_days=10, final_delay_days=9)


def test_splits_end_with_the_newest_month_and_share_nothing():
    rolling = RollingSplits(test_months=1, validation_months=2, fewest_training_months=3)
    splits = rolling.splits(np.datetime64("2019-10-15T00"), Month(2020, 3))
    assert str(splits.train) == "2019-10-15T00 to 2019-12-31T23"
    assert str(splits.validation) == "2020-01-01T00 to 2020-02-29T23"
    assert str(splits.test) == "2020-03-01T00 to 2020-03-31T23"


def test_training_starts_so_many_months_before_validation_and_not_before_the_archive():
    rolling = RollingSplits(1, 1, training_months=4, fewest_training_months=3)
    start = np.datetime64("2019-01-01T00")
    assert str(rolling.splits(start, Month(2020, 3)).train.first) == "2019-10-01T00"
    assert str(rolling.splits(start, Month(2019, 5)).train.first) == "2019-01-01T00"


def test_an_archive_that_is_too_short_is_refused():
    rolling = RollingSplits(1, 1, fewest_training_months=3)
    with pytest.raises(DataError, match="found 4 months from 2020-01 to 2020-04; expected at"):
        rolling.splits(np.datetime64("2020-01-01T00"), Month(2020, 4))
    with pytest.raises(DataError, match="found 0 months"):
        rolling.splits(np.datetime64("2020-01-01T00"), Month(2019, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_months": 0}, "test_months is 0; expected at least 1"),
        ({"training_months": 3, "fewest_training_months": 4}, "training_months is 3; expected"),
    ],
)
def test_rolling_splits_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RollingSplits(**changes)
