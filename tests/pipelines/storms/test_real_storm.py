"""Hurricane Matthew in ERA5 every six hours, against its best track in IBTrACS."""

import csv
import math
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from pipelines.storms.best_tracks import best_track, find_storm, packaged_table
from pipelines.storms.tracks import track_storm

FIELDS = Path(__file__).parents[3].parent / "shared" / "data" / "era5-matthew-6h"
NUMBER = "2016273N13300"
SPHERE_KM = 6371.0

pytestmark = pytest.mark.skipif(
    not FIELDS.is_dir(), reason="hurricane Matthew (../shared/data/era5-matthew-6h) is not here"
)


@pytest.fixture(scope="module")
def analysis() -> xr.Dataset:
    """The file's fields as an archive would hold them: Pa, from north to south, eastward."""
    [path] = FIELDS.glob("*.nc")
    with netCDF4.Dataset(path) as file:
        time = np.datetime64("2016-09-30", "ns") + file["time"][:].astype("timedelta64[h]")
        pressure = file["msl"][:, ::-1].filled(np.nan) * 100
        latitude, longitude = file["latitude"][::-1].data, file["longitude"][:].data % 360
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {"mean_sea_level_pressure": (dims, pressure, {"units": "Pa"})},
        coords={"time": time, "latitude": latitude, "longitude": longitude},
    )


@pytest.fixture(scope="module")
def tracks(analysis: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Tracks of the analysis and of forecasts that nothing changes, one every 12 hours."""
    start = analysis["time"].values[:-4:2]
    leads = np.array([6, 12, 18, 24], dtype="timedelta64[h]").astype("timedelta64[ns]")
    standing = (
        analysis.sel(time=start).rename(time="init_time").expand_dims(lead_time=leads, axis=1)
    )
    storm = find_storm(NUMBER)
    path = track_storm(
        storm, best=best_track(storm), analysis=analysis, forecasts={"persistence": standing},
        out=tmp_path_factory.mktemp("tracks"),
    )  # fmt: skip
    with xr.open_dataset(path, decode_timedelta=False) as dataset:
        return dataset.load()


def in_ibtracs() -> dict[str, tuple[float, float, float]]:
    """Read time -> latitude, longitude, pressure [hPa] row by row, as the file has them."""
    with packaged_table().open(newline="") as file:
        return {
            row["time"][:13].replace(" ", "T"): (
                float(row["lat"]), float(row["lon"]), float(row["slp"]),
            )
            for row in csv.DictReader(file)
            if row["track_id"] == NUMBER
        }  # fmt: skip


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Haversine formula."""
    a, b = (math.radians(point[0]) for point in (one, other))
    east = math.radians(other[1] - one[1])
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(east / 2) ** 2
    return 2 * SPHERE_KM * math.asin(math.sqrt(h))


def test_the_storm_is_followed_to_the_end_and_lies_where_ibtracs_has_it(tracks: xr.Dataset):
    best, distances, too_weak = in_ibtracs(), [], []
    for hour in tracks["time"].values:
        name = str(hour.astype("datetime64[h]"))
        if name not in best or np.isnan(tracks["analysis_latitude"].sel(time=hour)):
            continue
        at = tracks.sel(time=hour)
        here = float(at["analysis_latitude"]), float(at["analysis_longitude"])
        distances.append(kilometres(here, best[name][:2]))
        too_weak.append(float(at["analysis_pressure"]) / 100 - best[name][2])
    # Every time that both have: 30 September 00 UTC to 10 October 00 UTC.
    assert len(distances) == 41
    assert np.isfinite(tracks["analysis_latitude"].sel(time="2016-10")).sum() == 37
    # On 0.28 degree (31 km) the centre is a grid cell off, and 30 hPa are missing of its depth.
    assert np.mean(distances) == pytest.approx(24.4, abs=1.0)
    assert np.median(distances) < 21
    assert max(distances) < 63
    assert np.mean(too_weak) == pytest.approx(29.8, abs=1.0)
    assert min(too_weak) > 0


def test_forecasts_in_steps_of_six_hours_have_errors_against_both(tracks: xr.Dataset):
    one = tracks.sel(model="persistence")
    for prefix in ("", "best_"):
        errors = one[f"mean_{prefix}position_error"].values
        # A storm that stands still falls behind by what the true one moves.
        assert np.all(np.diff(errors) > 60), errors
        assert 60 < errors[0] < 140
        assert np.all(one[f"{prefix}count"].values >= 18)
    assert float(one["position_error"].sel(lead_time=6).min()) > 20
