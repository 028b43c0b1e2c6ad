import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.canonical import canonical
from pipelines.formats.decode import decode
from pipelines.formats.times import decoded_times


def coordinate(values, dtype=np.float64, **attrs) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, dtype=dtype), dims="time", name="time", attrs=attrs)


def test_absolute_dates_are_read_to_the_second() -> None:
    days = [20260401.0, 20260401 + 1 / 24, 20260401.25, 20260430 + 23 / 24]
    times = decoded_times(coordinate(days, units="day as %Y%m%d.%f"), origin="a")
    assert times.dtype == np.dtype("datetime64[ns]")
    assert times.astype("datetime64[s]").astype(str).tolist() == [
        "2026-04-01T00:00:00", "2026-04-01T01:00:00", "2026-04-01T06:00:00", "2026-04-30T23:00:00",
    ]  # fmt: skip
    whole = decoded_times(coordinate([20260401], np.int32, units="day as %Y%m%d"), origin="a")
    assert whole.tolist() == [np.datetime64("2026-04-01", "ns").astype(int)]


def test_a_file_with_absolute_dates_is_read(tmp_path) -> None:
    day = 20260401 + np.arange(24) / 24
    values = 280.0 + np.arange(24.0)[:, None, None] + np.zeros((24, 2, 2))
    xr.Dataset(
        {"t2m": (("time", "lat", "lon"), values, {"units": "K"})},
        coords={"time": ("time", day, {"units": "day as %Y%m%d.%f"}), "lat": [20.0, 19.0],
                "lon": [70.0, 71.0]},
    ).to_netcdf(tmp_path / "a.nc", engine="netcdf4")  # fmt: skip
    field = decode(tmp_path / "a.nc")["2m_temperature"]
    assert float(field.sel(time="2026-04-01T17", latitude=19.0, longitude=71.0)) == 297.0


def test_fractions_of_days_are_rounded_to_the_second() -> None:
    noisy = np.array(["2026-04-01T00:59:59.9999995", "2026-04-01T02:00:00.0000005"], "M8[ns]")
    found = decoded_times(xr.DataArray(noisy, dims="time"), origin="a")
    assert found.astype("datetime64[h]").astype(str).tolist() == ["2026-04-01T01", "2026-04-01T02"]
    assert (found == found.astype("datetime64[h]")).all()


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (coordinate([0.0, 1.0]), "time as float64 in 'no units'; expected units as"),
        (coordinate([0, 1], np.int64, units="1"), "time as int64 in '1'"),
        (coordinate([202604], np.int64, units="month as %Y%m"), "time as int64 in 'month as"),
        # float32 does not know the hours of such a number.
        (coordinate([20260401], np.float32, units="day as %Y%m%d.%f"), "time as float32"),
        (coordinate([20260231.5], units="day as %Y%m%d.%f"), "found times as .*20260231.5"),
    ],
)
def test_numbers_without_a_meaning_are_refused(time: xr.DataArray, text: str) -> None:
    with pytest.raises(DataError, match=text):
        decoded_times(time, origin="a")


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "julian"])
def test_another_calendar_is_named(tmp_path, calendar: str) -> None:
    path = tmp_path / "feb.nc"
    hours = ("time", np.arange(60 * 24), {"units": "hours since 2025-01-30", "calendar": calendar})
    xr.Dataset(
        {"t2m": (("time", "lat", "lon"), np.full((60 * 24, 2, 2), 280.0), {"units": "K"})},
        coords={"time": hours, "lat": [20.0, 19.0], "lon": [70.0, 71.0]},
    ).to_netcdf(path, engine="netcdf4")
    with pytest.raises(DataError, match=rf"feb\.nc: found time .* the calendar '{calendar}'"):
        decode(path)


def test_a_time_without_values_is_refused() -> None:
    bare = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), np.full((2, 2, 2), 280.0), {"units": "K"})},
        coords={"lat": [20.0, 19.0], "lon": [70.0, 71.0]},
    )
    with pytest.raises(DataError, match="a dimension time of 2 without values"):
        canonical(bare, origin="a")
