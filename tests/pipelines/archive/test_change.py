import numpy as np
import xarray as xr

from pipelines.archive.change import compare
from tests.builders import make_month, month_hours

HOURS = month_hours("2016-01")[:48]


def both() -> tuple[xr.Dataset, xr.Dataset]:
    before = make_month(HOURS).chunk(time=24)
    return before, before.copy(deep=True).load()


def test_same_values_are_no_change():
    before, after = both()
    before["2m_temperature"] = before["2m_temperature"].where(before["latitude"] > 24)
    after["2m_temperature"] = after["2m_temperature"].where(after["latitude"] > 24)
    change = compare(before, after.chunk(time=24))
    assert change.is_none
    assert set(change.largest.values()) == {0.0}


def test_changes_are_told_by_variable_and_by_hour():
    before, after = both()
    after["2m_temperature"][3, 0, 0] += 0.5
    after["relative_humidity"][3, 1, 2, 1] -= 4.0
    after["relative_humidity"][40, 0, 0, 0] -= 1.0
    change = compare(before, after.chunk(time=24))
    assert change.largest == {
        "2m_temperature": 0.5, "10m_u_component_of_wind": 0.0, "relative_humidity": 4.0,
    }  # fmt: skip
    assert (change.hours, change.expver_hours, change.is_none) == (2, 0, False)


def test_value_that_appears_counts_as_an_hour():
    before, after = both()
    after["2m_temperature"][7, 1, 1] = np.nan
    for one, other in ((before, after), (after, before)):
        change = compare(one.chunk(time=24), other.chunk(time=24))
        assert (change.hours, change.largest["2m_temperature"]) == (1, 0.0)


def test_other_version_of_the_same_values_is_a_change():
    before, after = both()
    after = after.assign_coords(expver=("time", np.where(HOURS < HOURS[5], "0005", "0001")))
    change = compare(before, after.chunk(time=24))
    assert (change.hours, change.expver_hours, change.is_none) == (0, 5, False)
