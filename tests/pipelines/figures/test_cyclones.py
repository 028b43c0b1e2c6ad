import numpy as np
import pytest
import xarray as xr

from met2net.analysis.cyclones import Track
from pipelines.figures.cyclones import (
    intensity_curves,
    track_errors_by_lead,
    track_map,
    tracks_of,
)
from pipelines.figures.style import save
from pipelines.storms.best_tracks import Storm
from pipelines.storms.tracks import track_storm
from tests.pipelines.storms.storm_fields import make_analysis, make_best, make_forecasts


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    path = track_storm(
        Storm("Test", "x"),
        best=make_best(),
        analysis=make_analysis(),
        forecasts={
            "met2net": make_forecasts(north_per_hour=0.02),
            "tau": make_forecasts(north_per_hour=-0.1),
        },
        out=tmp_path_factory.mktemp("tracks"),
    )
    with xr.open_dataset(path) as dataset:
        return dataset.load()


def make_track(longitude, *, latitude=None, start="2023-05-27T00") -> Track:
    longitude = np.asarray(longitude, dtype=float) % 360
    count = len(longitude)
    latitude = np.linspace(10, 20, count) if latitude is None else np.asarray(latitude, float)
    time = np.datetime64(start, "ns") + 6 * np.arange(count) * np.timedelta64(1, "h")
    return Track(time, latitude, longitude, np.full(count, 97e3), np.full(count, 30.0), "")


def test_a_map_shows_every_track_and_the_days_of_the_first(tracks, tmp_path):
    drawn = tracks_of(tracks, lead_time=3)
    assert list(drawn) == ["best track", "analysis", "met2net", "tau"]
    figure = track_map(drawn, title="Test, 3 h ahead")
    panel = figure.axes[0]
    labels = [text.get_text() for text in panel.get_legend().get_texts()]
    assert labels == list(drawn)
    assert [text.get_text() for text in panel.texts] == ["27 May", "28 May", "29 May"]
    line = next(line for line in panel.lines if line.get_label() == "tau")
    np.testing.assert_allclose(line.get_ydata(), drawn["tau"].latitude)
    assert save(figure, tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("longitude", [np.arange(175.0, 186.0), np.arange(-5.0, 6.0)])
def test_tracks_across_a_seam_are_drawn_without_a_jump(longitude):
    panel = track_map({"best track": make_track(longitude)}, title="seam").axes[0]
    assert np.abs(np.diff(panel.lines[0].get_xdata())).max() == pytest.approx(1.0)
    west, east = panel.get_xlim()
    assert east - west < 15


def test_longitudes_are_written_with_their_side():
    panel = track_map({"m": make_track(np.arange(176.0, 186.0))}, title="seam").axes[0]
    write = panel.xaxis.get_major_formatter()
    assert [write(x) for x in (178.0, 180.0, 182.0, 360.0)] == ["178°E", "180°", "178°W", "0°"]
    write = panel.yaxis.get_major_formatter()
    assert [write(y) for y in (12.5, 0.0, -3.0)] == ["12.5°N", "0°", "3°S"]


def test_days_of_a_storm_that_stands_still_are_written_once():
    still = make_track([130.0] * 20, latitude=20 + 1e-3 * np.arange(20))
    assert len(track_map({"a": still}, title="").axes[0].texts) == 1
    assert len(track_map({"a": make_track([130.0])}, title="").axes[0].texts) == 0


def test_empty_tracks_are_left_out_and_none_at_all_is_refused():
    empty = make_track([])
    figure = track_map({"analysis": make_track([130, 131]), "m": empty}, title="")
    assert len(figure.axes[0].get_legend().get_texts()) == 1
    with pytest.raises(ValueError, match="no track with a position"):
        track_map({"m": empty}, title="")


def test_errors_are_drawn_by_lead_time(tracks):
    figure = track_errors_by_lead(tracks)
    position, pressure, wind = figure.axes
    assert [line.get_label() for line in position.lines] == ["met2net", "tau"]
    np.testing.assert_array_equal(
        position.lines[1].get_ydata(), tracks["mean_position_error"].sel(model="tau")
    )
    np.testing.assert_allclose(
        pressure.lines[0].get_ydata(), tracks["mean_pressure_error"].sel(model="met2net") / 100
    )
    assert figure.get_supxlabel() == "Test; cases: 13"
    tracks = tracks.assign(count=("lead_time", [13, 13, 12, 12, 9, 7]))
    assert "7 to 13, fewer at longer" in track_errors_by_lead(tracks).get_supxlabel()
    assert wind.get_xlabel() == "lead time [h]"


def test_intensity_is_drawn_where_it_is_known(tracks, tmp_path):
    figure = intensity_curves(tracks_of(tracks, lead_time=3), title="Test")
    pressure, wind = figure.axes
    assert [line.get_label() for line in pressure.lines][:2] == ["best track", "analysis"]
    assert len(wind.lines[0].get_ydata()) == 0  # this best track has no wind
    save(figure, tmp_path / "intensity.png")
