import numpy as np
import pytest
import xarray as xr

from met2net.analysis.great_circle import EARTH_RADIUS_KM, great_circle_km
from pipelines.errors import DataError
from pipelines.storms.best_tracks import Storm
from pipelines.storms.forecast_errors import fixed_lead_track
from pipelines.storms.tracks import (
    analysis_track,
    forecast_storm,
    track_forecasts,
    track_storm,
)
from tests.pipelines.storms.storm_fields import (
    DEPTH,
    GRID,
    make_analysis,
    make_best,
    make_forecasts,
    position,
)

STORM = Storm("Test", "2023000N00000")
DEGREE = np.pi / 180 * EARTH_RADIUS_KM
CELL_KM = 0.5 * DEGREE


@pytest.fixture(scope="module")
def analysis():
    return make_analysis()


@pytest.fixture(scope="module")
def tracks(analysis, tmp_path_factory):
    path = track_storm(
        STORM,
        best=make_best(),
        analysis=analysis,
        forecasts={
            "good": make_forecasts(north_per_hour=0.02),
            "bad": make_forecasts(north_per_hour=-0.15, depth=0.8 * DEPTH),
        },
        out=tmp_path_factory.mktemp("tracks"),
    )
    assert path.name == "tracks_test.nc"
    with xr.open_dataset(path) as dataset:
        return dataset.load()


def test_the_analysis_follows_the_storm_every_hour(tracks):
    latitude, longitude = position(np.arange(49))
    error = great_circle_km(
        latitude, longitude, tracks["analysis_latitude"].values,
        tracks["analysis_longitude"].values,
    )  # fmt: skip
    assert error.max() < 0.1 * CELL_KM
    assert tracks.attrs["analysis_ended"] == "end of the fields"
    assert tracks["best_latitude"].sizes == {"best_time": 9}


def test_errors_by_lead_time_are_those_of_the_drift(tracks):
    lead = tracks["lead_time"].values
    assert lead.tolist() == [1, 2, 3, 4, 5, 6]
    for model, drift in (("good", 0.02), ("bad", 0.15)):
        found = tracks["mean_position_error"].sel(model=model)
        np.testing.assert_allclose(found, drift * lead * DEGREE, atol=0.1 * CELL_KM)
    assert tracks["count"].values.tolist() == [13] * 6
    pressure = tracks["mean_pressure_error"]
    np.testing.assert_allclose(pressure.sel(model="good"), 0, atol=0.02 * DEPTH)
    np.testing.assert_allclose(pressure.sel(model="bad"), 0.2 * DEPTH, atol=0.02 * DEPTH)
    np.testing.assert_allclose(tracks["mean_wind_error"].sel(model="bad"), -6, atol=1)
    assert tracks["position_error"].attrs["units"] == "km"


def test_the_best_track_is_a_truth_at_its_hours_alone(tracks):
    error = tracks["best_position_error"].sel(model="bad")
    valid = tracks["init_time"] + tracks["lead_time"].astype("timedelta64[h]")
    at_hours = np.isin(valid.values, tracks["best_time"].values)
    np.testing.assert_array_equal(np.isfinite(error.values), at_hours)
    # Init every 3 hours: leads 3 and 6 reach the six-hourly times, from 7 and 6 of 13 inits.
    assert tracks["best_count"].values.tolist() == [0, 0, 6, 0, 0, 7]
    assert np.isnan(tracks["mean_best_position_error"].sel(lead_time=1)).all()
    assert np.isnan(tracks["mean_best_wind_error"]).all()  # the best track has no wind


def test_one_lead_time_of_successive_forecasts_is_a_track(tracks):
    found = fixed_lead_track(tracks.sel(model="bad"), lead_time=3)
    assert len(found) == 13
    hours = (found.time - np.datetime64("2023-05-27T00")) / np.timedelta64(1, "h")
    assert hours.tolist() == list(range(3, 40, 3))
    latitude, longitude = position(hours)
    assert great_circle_km(
        latitude - 0.45, longitude, found.latitude, found.longitude
    ).max() < 0.1 * CELL_KM  # fmt: skip
    with pytest.raises(DataError, match="no lead time 7 h in"):
        fixed_lead_track(tracks, lead_time=7)


def test_a_forecast_that_loses_the_storm_leaves_its_case_out_for_all(analysis):
    good = make_forecasts(north_per_hour=0.0, inits=range(0, 13, 3))
    lost = make_forecasts(north_per_hour=0.0, inits=range(0, 13, 3))
    pressure = lost["mean_sea_level_pressure"]
    pressure[2, 3:] = 101_000.0  # after three hours the third forecast has no storm
    truth = analysis_track(analysis, best=make_best())
    one = track_forecasts(lost, truth=truth)
    assert one["ended"].values[2] == "no minimum deep enough near the guess"
    np.testing.assert_array_equal(np.isfinite(one["latitude"]).sum("lead_time"), [6, 6, 3, 6, 6])
    assert len(fixed_lead_track(one, lead_time=4)) == 4
    assert len(fixed_lead_track(track_forecasts(good, truth=truth), lead_time=4)) == 5


def test_models_with_other_init_and_lead_times_stand_side_by_side(analysis, tmp_path):
    path = track_storm(
        STORM,
        best=make_best(),
        analysis=analysis,
        forecasts={
            "hourly": make_forecasts(north_per_hour=0.0, inits=range(0, 13, 3), leads=range(1, 4)),
            "coarse": make_forecasts(north_per_hour=0.1, inits=range(0, 13, 6), leads=[3, 6]),
        },
        out=tmp_path,
    )
    with xr.open_dataset(path) as tracks:
        assert tracks["lead_time"].values.tolist() == [1, 2, 3, 6]
        assert tracks["count"].values.tolist() == [0, 0, 3, 0]
        mean = tracks["mean_position_error"].sel(lead_time=3)
        np.testing.assert_allclose(mean, [0.0, 0.3 * DEGREE], atol=0.1 * CELL_KM)


def test_without_wind_and_without_forecasts_there_is_still_a_track(analysis, tmp_path):
    path = track_storm(
        STORM,
        best=make_best(),
        analysis=analysis[["mean_sea_level_pressure"]],
        forecasts={},
        out=tmp_path,
    )
    with xr.open_dataset(path) as tracks:
        assert np.isnan(tracks["analysis_wind"]).all()
        assert np.isfinite(tracks["analysis_latitude"]).all()


def test_the_track_begins_where_the_storm_enters_the_box(analysis):
    late = analysis.sel(longitude=slice(None, 134.0))
    best = make_best()
    track = analysis_track(late, best=best)
    inside = best.time[best.longitude < 134.0]
    assert track.time[0] == inside[0]
    assert track.longitude.max() < 134.0


class _Forecaster:
    def forecast(self, dataset, init_time):
        fields = make_forecasts(north_per_hour=0.0, inits=[0], leads=[1, 2])
        fields = fields.assign_coords(init_time=np.atleast_1d(init_time))
        return fields.assign({"2m_temperature": fields["mean_sea_level_pressure"]})


def test_successive_forecasts_keep_the_tracker_s_fields():
    times = np.array(["2023-05-27T00", "2023-05-27T06"], "datetime64[ns]")
    found = forecast_storm(_Forecaster(), xr.Dataset(), init_times=times)
    assert set(found.data_vars) == {
        "mean_sea_level_pressure", "10m_u_component_of_wind", "10m_v_component_of_wind",
    }  # fmt: skip
    np.testing.assert_array_equal(found["init_time"].values, times)


def test_what_does_not_fit_is_refused(analysis, tmp_path):
    best, forecasts = make_best(), make_forecasts(north_per_hour=0.0, inits=[0], leads=[1])
    truth = analysis_track(analysis, best=best)
    with pytest.raises(DataError, match="no variable mean_sea_level_pressure; found: a"):
        analysis_track(analysis.rename(mean_sea_level_pressure="a")[["a"]], best=best)
    wrong = analysis.copy()
    wrong["mean_sea_level_pressure"] = wrong["mean_sea_level_pressure"].assign_attrs(units="hPa")
    with pytest.raises(DataError, match="found units 'hPa'; expected 'Pa'"):
        analysis_track(wrong, best=best)
    flat = analysis.copy()
    flat["mean_sea_level_pressure"] = flat["mean_sea_level_pressure"] * 0 + 101_000.0
    flat["mean_sea_level_pressure"].attrs["units"] = "Pa"
    with pytest.raises(DataError, match="no centre near 9 positions of the best track"):
        analysis_track(flat, best=best)
    later = forecasts.assign_coords(init_time=forecasts["init_time"] + np.timedelta64(99, "D"))
    with pytest.raises(DataError, match="no forecast initialized while the storm was in the box"):
        track_forecasts(later, truth=truth)
    with pytest.raises(DataError, match="forecasts of m: found grid .* expected 57 x 53"):
        track_storm(
            STORM, best=best, analysis=analysis, out=tmp_path,
            forecasts={"m": forecasts.isel(latitude=slice(5, None))},
        )  # fmt: skip
    assert GRID.shape == (57, 53)
