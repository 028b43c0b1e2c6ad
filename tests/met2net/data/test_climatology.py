import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.data.climatology import (
    NUM_DAYS,
    Climatology,
    ClimatologyAccumulator,
    day_slot,
    spans_two_years,
)
from met2net.data.windows import hours_since_epoch


def _hours(start, end, *, step=1):
    return hours_since_epoch(np.arange(start, end, np.timedelta64(step, "h"), "datetime64[h]"))


def _at(*times):
    return hours_since_epoch(np.array(times, "datetime64[h]"))


def _accumulate(fields, hours, *, by_day, cuts=()):
    accumulator = ClimatologyAccumulator(by_day=by_day, shape=fields.shape[1:])
    for part, part_hours in zip(np.split(fields, cuts), np.split(hours, cuts), strict=True):
        accumulator.add(part, part_hours)
    return accumulator


def test_a_date_has_one_slot_in_leap_and_other_years():
    slots = day_slot(
        _at("2015-01-01T05", "2015-02-28T23", "2015-03-01", "2016-02-29", "2016-03-01",
            "2015-12-31", "2016-12-31", "1900-03-01", "2000-02-29")
    )  # fmt: skip
    assert slots.tolist() == [0, 58, 60, 59, 60, 365, 365, 60, 59]


def test_climatology_by_hour_of_day_is_the_mean_of_each_hour():
    hours = _hours("2016-03-01T00", "2016-03-03T00")
    fields = np.arange(48, dtype=np.float32)[:, None, None, None]
    climatology = _accumulate(fields, hours, by_day=False).finish()
    assert climatology.values.shape == (1, 24, 1, 1, 1)
    # Hour 5 saw the values 5 and 29.
    assert climatology.at(_at("2020-07-04T05")).item() == 17.0
    assert climatology.description == "hour of day"


def test_unsmoothed_climatology_is_the_mean_over_years_of_a_date():
    hours = _hours("2014-01-01", "2017-01-01", step=12)
    years = hours.astype("datetime64[h]").astype("datetime64[Y]").astype(int) + 1970
    fields = years.astype(np.float32)[:, None, None, None]
    climatology = _accumulate(fields, hours, by_day=True).finish(smoothing_days=1)
    assert climatology.at(_at("2019-06-01T12")).item() == 2015.0
    assert climatology.at(_at("2020-02-29T00")).item() == 2016.0  # one leap year among them
    assert climatology.description == "day of year and hour of day"


def test_smoothing_weighs_days_by_their_samples_and_goes_round_the_year():
    hours = _hours("2014-01-01", "2017-01-01", step=24)
    is_leap_day = day_slot(hours) == 59
    fields = is_leap_day.astype(np.float32)[:, None, None, None]
    values = _accumulate(fields, hours, by_day=True).finish(smoothing_days=3).values[:, 0, 0, 0, 0]
    # Around 29 February: 3 + 1 + 3 samples, of which one is 1.
    assert values[57:62].tolist() == pytest.approx([0, 1 / 7, 1 / 7, 1 / 7, 0])

    new_year = (day_slot(hours) == 0).astype(np.float32)[:, None, None, None]
    values = _accumulate(new_year, hours, by_day=True).finish(smoothing_days=3).values
    assert values[[364, 365, 0, 1, 2], 0, 0, 0, 0] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])


def test_a_constant_stays_constant_under_smoothing():
    hours = _hours("2014-01-01", "2016-01-01", step=6)
    fields = np.full((len(hours), 2, 2, 3), 0.7, np.float32)
    values = _accumulate(fields, hours, by_day=True).finish().values
    assert values.shape == (NUM_DAYS, 4, 2, 2, 3)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.float32(0.7))


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 96), max_size=5))
def test_chunking_does_not_change_a_bit(cuts):
    hours = _hours("2016-02-27", "2016-03-02")
    fields = np.random.default_rng(0).normal(size=(96, 1, 2, 2)).astype(np.float32)
    whole = _accumulate(fields, hours, by_day=False).finish()
    parts = _accumulate(fields, hours, by_day=False, cuts=sorted(cuts)).finish()
    np.testing.assert_array_equal(parts.values, whole.values)


def test_six_hourly_climatology_refuses_other_hours():
    hours = _hours("2016-01-01", "2016-01-05", step=6)
    fields = np.ones((len(hours), 1, 1, 1), np.float32)
    climatology = _accumulate(fields, hours, by_day=False).finish()
    assert climatology.at(_at("2016-01-09T18")).item() == 1.0
    with pytest.raises(ValueError, match="hour of day 7 .* expected one of 0, 6, 12, 18"):
        climatology.at(_at("2016-01-09T06", "2016-01-09T07"))


def test_hours_of_day_that_never_occur_are_named():
    hours = _at("2016-01-01T00", "2016-01-01T07", "2016-01-02T00")
    accumulator = _accumulate(np.ones((3, 1, 1, 1), np.float32), hours, by_day=False)
    with pytest.raises(ValueError, match=r"without any sample: 1, 2, .* found 0, 7"):
        accumulator.finish()


def test_a_part_of_the_year_without_samples_is_named():
    hours = _hours("2016-01-01", "2016-03-01", step=24)
    accumulator = _accumulate(np.ones((60, 1, 1, 1), np.float32), hours, by_day=True)
    with pytest.raises(ValueError, match="hour of day 0 within 5 days of day 66"):
        accumulator.finish(smoothing_days=11)


def test_wrong_arguments_are_refused():
    accumulator = ClimatologyAccumulator(by_day=False, shape=(1, 2, 2))
    with pytest.raises(ValueError, match="no fields were added"):
        accumulator.finish()
    for days in (0, 60, 367):
        with pytest.raises(ValueError, match=f"smoothing_days is {days}"):
            accumulator.finish(smoothing_days=days)
    with pytest.raises(ValueError, match=r"shape \(1, 1, 2, 3\) for 1 hours"):
        accumulator.add(np.ones((1, 1, 2, 3), np.float32), np.array([0]))
    with pytest.raises(ValueError, match="not finite"):
        accumulator.add(np.full((1, 1, 2, 2), np.nan, np.float32), np.array([0]))
    with pytest.raises(ValueError, match="day axis has 365 slots"):
        Climatology(np.zeros((365, 24, 1, 1, 1), np.float32))
    with pytest.raises(ValueError, match="hour axis has 5 slots"):
        Climatology(np.zeros((1, 5, 1, 1, 1), np.float32))


def test_two_years_are_counted_in_days():
    assert spans_two_years(_hours("2017-01-01", "2019-01-01", step=6))
    assert not spans_two_years(_hours("2017-01-02", "2019-01-01"))
    assert not spans_two_years(np.array([], dtype=np.int64))
