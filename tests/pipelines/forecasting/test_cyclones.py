from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipelines.forecasting.cyclones import find_tracks, write_tracks
from tests.pipelines.storms.storm_fields import GRID, fields_along, position

START = np.datetime64("2023-05-27T00", "ns")
HOUR = np.timedelta64(1, "h")


def make(latitude, longitude, **more) -> tuple[xr.Dataset, xr.Dataset]:
    """An analysis of the first position, and a forecast of the others, hour by hour."""
    fields = fields_along(latitude, longitude, **more)
    leads = (np.arange(1, len(latitude)) * HOUR).astype("timedelta64[ns]")
    analysis = fields.isel(time=slice(1)).assign_coords(time=[START])
    forecast = fields.isel(time=slice(1, None)).rename(time="lead_time")
    forecast = forecast.assign_coords(lead_time=leads).expand_dims(init_time=[START])
    valid = ("init_time", "lead_time"), (START + leads)[None]
    return analysis, forecast.assign_coords(valid_time=valid).assign_attrs(title="A forecast")


def test_a_storm_is_found_without_being_told_of_it(tmp_path: Path) -> None:
    latitude, longitude = position(np.arange(7))
    tracks = find_tracks(*make(latitude, longitude))
    assert len(tracks) == 1
    # The grid is 0.5 degrees; the centre is found between its points.
    np.testing.assert_allclose(tracks[0].latitude, latitude, atol=0.1)
    np.testing.assert_allclose(tracks[0].longitude, longitude, atol=0.1)
    assert tracks[0].time[0] == START and tracks[0].wind[0] > 20


def test_two_storms_are_two_tracks_the_deeper_first() -> None:
    first = make(*position(np.arange(4)))
    weak = make(np.full(4, 32.0), 122.0 + 0.1 * np.arange(4), depth=2500.0)
    name = "mean_sea_level_pressure"
    both = [
        a.assign({name: (a[name] + b[name] - 101_000.0).assign_attrs(units="Pa")})
        for a, b in zip(first, weak, strict=True)
    ]
    tracks = find_tracks(*both)
    assert [round(float(one.latitude[0])) for one in tracks] == [16, 32]


def test_quiet_weather_has_no_tracks_and_leaves_no_file(tmp_path: Path) -> None:
    analysis, forecast = make(*position(np.arange(3)), depth=50.0)
    (tmp_path / "tracks.nc").write_text("of an earlier forecast")
    assert find_tracks(analysis, forecast) == []
    assert write_tracks([], forecast, tmp_path) is None
    assert not (tmp_path / "tracks.nc").exists()


def test_without_pressure_nothing_is_looked_for() -> None:
    analysis, forecast = make(*position(np.arange(3)))
    assert find_tracks(analysis, forecast.drop_vars("mean_sea_level_pressure")) == []


def test_a_box_without_room_for_a_ring_has_no_tracks(caplog: pytest.LogCaptureFixture) -> None:
    analysis, forecast = make(*position(np.arange(3)))
    rows = np.abs(np.asarray(GRID.latitude) - 16.0) < 1.2
    columns = np.abs(np.asarray(GRID.longitude) - 137.0) < 1.2
    small = [d.isel(latitude=rows, longitude=columns) for d in (analysis, forecast)]
    with caplog.at_level("INFO"):
        assert find_tracks(*small) == []
    assert "no cyclones are looked for: grid has no point 300 km" in caplog.text


def test_a_lost_storm_ends_with_the_reason(tmp_path: Path) -> None:
    analysis, forecast = make(*position(np.arange(5)))
    flat = forecast["mean_sea_level_pressure"].copy()
    flat[:, 2:] = 101_000.0
    forecast = forecast.assign(mean_sea_level_pressure=flat)
    tracks = find_tracks(analysis, forecast)
    path = write_tracks(tracks, forecast, tmp_path)
    assert path is not None
    with xr.open_dataset(path) as written:
        # As many points as the track has, not one more without a value.
        assert written["row_size"].values.tolist() == [3] == [written.sizes["obs"]]
        assert np.isfinite(written["latitude"]).all()
        assert written["ended"].values[0] == "no minimum deep enough near the guess"
        assert written["pressure"].attrs["units"] == "Pa"
        assert written.attrs["title"] == "Cyclones in: A forecast"
