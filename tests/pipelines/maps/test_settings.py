import pytest

from pipelines.errors import DataError
from pipelines.maps.settings import MapSettings


def test_the_first_the_middle_and_the_last_lead_time_are_drawn_unless_told_otherwise():
    assert MapSettings().shown(range(1, 13)) == [0, 5, 11]
    assert MapSettings().shown([6, 12, 18, 24]) == [0, 1, 3]
    assert MapSettings().shown([6, 12]) == [0, 1] and MapSettings().shown([6]) == [0]


def test_chosen_lead_times_are_drawn_in_order():
    assert MapSettings(lead_hours=[24, 6]).shown([6, 12, 18, 24]) == [0, 3]
    with pytest.raises(ValueError, match="maps.lead_hours is 6; expected a list"):
        MapSettings(lead_hours=6)


def test_a_lead_time_that_the_window_lacks_is_refused_with_those_it_has():
    with pytest.raises(
        ValueError, match="maps.lead_hours has 5, 30; expected some of the window's: 6, 12, 18, 24"
    ):
        MapSettings(lead_hours=[6, 5, 30]).shown([6, 12, 18, 24])
    with pytest.raises(ValueError, match="maps.lead_hours are 6, 6; expected each once"):
        MapSettings(lead_hours=[6, 6])


def test_a_file_of_coastlines_is_read_where_the_settings_are_made(tmp_path):
    with pytest.raises(DataError, match="expected a GeoJSON file"):
        MapSettings(coastlines=str(tmp_path / "none.json"))
    assert MapSettings(coastlines="none").coast.source == "none"
    with pytest.raises(ValueError, match="maps.coastlines is None; expected auto, none or a"):
        MapSettings(coastlines=None)
