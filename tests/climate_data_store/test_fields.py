import numpy as np
import pytest

from tests.climate_data_store.fields import ARCHIVED, field

LATITUDE = np.arange(90.0, -91.0, -15.0)
LONGITUDE = np.arange(0.0, 360.0, 15.0)
HOUR = np.datetime64("2020-02-29T13", "h")


@pytest.mark.parametrize("variable", ARCHIVED, ids=lambda v: v.name)
@pytest.mark.parametrize("expver", ["0001", "0005"])
def test_every_archived_variable_stays_in_its_valid_range(variable, expver):
    levels = (None,) if variable.level_kind == "surface" else (1000, 500, 50)
    low, high = variable.valid_range
    for level in levels:
        for hours in range(0, 9000, 701):
            values = field(variable.name, level, HOUR + hours, LATITUDE, LONGITUDE, expver=expver)
            present = values[np.isfinite(values)]
            assert present.size and low < present.min() and present.max() < high
            assert (present.size == values.size) or variable.nan_allowed


def test_fields_differ_by_variable_level_hour_and_release():
    def at(name="temperature", level=500, hour=HOUR, expver="0001"):
        return field(name, level, hour, LATITUDE, LONGITUDE, expver=expver)

    assert np.array_equal(at(), at())
    assert np.abs(at() - at(level=850)).max() > 1.0
    assert np.abs(at() - at(hour=HOUR + 1)).max() > 1.0
    assert np.allclose(at(expver="0005") - at(), 0.15)  # a hundredth of 15 K, everywhere


def test_the_globe_closes_at_greenwich():
    west = field("2m_temperature", None, HOUR, LATITUDE, np.array([-10.0]))
    east = field("2m_temperature", None, HOUR, LATITUDE, np.array([350.0]))
    assert np.allclose(west, east, rtol=0, atol=1e-9)


def test_dew_point_is_below_temperature():
    dew_point = field("2m_dewpoint_temperature", None, HOUR, LATITUDE, LONGITUDE)
    assert np.all(dew_point < field("2m_temperature", None, HOUR, LATITUDE, LONGITUDE))


def test_derived_variables_are_not_archived():
    assert not any(v.derived_from for v in ARCHIVED)
