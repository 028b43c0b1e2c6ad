"""ERA5-Land's sums since 00 UTC become sums of the hour before, also from file to file."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources.files import Files
from pipelines.sources.source import MonthRequest, RawMonth
from tests.pipelines.formats.grib_files import message

HOUR = np.timedelta64(1, "h")
TP = {"total_precipitation": ()}
POINTS = 1.0 + np.arange(6.0).reshape(3, 2)  # so many times the rain of the first


def rain(hour: np.datetime64) -> float:
    """Rain of an hour [m]: 1 to 5 mm, or none."""
    return 1e-3 * max(0, int(hour.astype(np.int64) * 7 % 9) - 3)


def land(hour: np.datetime64) -> bytes:
    """Encode the sum since 00 UTC that is valid at an hour."""
    start = (hour - HOUR).astype("datetime64[D]").astype("datetime64[h]")
    step = int((hour - start).astype(int))
    total = sum(rain(start + i * HOUR) for i in range(1, step + 1))
    return message(
        total * POINTS, short_name="tp", time=str(start), type="fc", timeRangeIndicator=4,
        P1=0, P2=step, bitsPerValue=24,
    )  # fmt: skip


def write(path: Path, first: str, hours: int) -> None:
    start = np.datetime64(first, "h")
    path.write_bytes(b"".join(land(start + i * HOUR) for i in range(hours)))


def fetch(folder: Path, first: str, hours: int, fields=TP) -> RawMonth:
    wanted = np.datetime64(first, "h") + np.arange(hours)
    request = MonthRequest(Month.of(wanted[0]), wanted, fields)
    return Files(str(folder)).fetch(request, folder.parent / "raw")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def test_sums_since_midnight_become_those_of_the_hour_across_files(folder: Path):
    write(folder / "1.grib", "2020-01-31T00", 24)
    write(folder / "2.grib", "2020-02-01T00", 30)
    month = fetch(folder, "2020-02-01", 30)
    expected = [rain(np.datetime64("2020-02-01T00") + i * HOUR) for i in range(30)]
    assert 0 in expected and len(set(expected)) > 4
    field = month.dataset["total_precipitation"]
    np.testing.assert_allclose(
        field.values, np.array(expected)[:, None, None] * POINTS, atol=1e-8 * 65, rtol=0
    )
    assert field.attrs["units"] == "m" and field.dtype == np.float32
    assert list(month.dataset.coords) == ["time", "latitude", "longitude", "expver"]
    assert month.dataset["expver"].values.tolist() == ["0001"] * 30
    assert [file["name"] for file in month.manifest["files"]] == ["1.grib", "2.grib"]


def test_the_first_hour_of_all_needs_the_hour_before(folder: Path):
    write(folder / "1.grib", "2020-02-01T00", 24)
    with pytest.raises(
        DataError, match=r"1\.grib: found total_precipitation as the sum of 24 hours at "
        r"2020-02-01T00; expected that of one hour, or also that of 23 hours at 2020-01-31T23"
    ):  # fmt: skip
        fetch(folder, "2020-02-01", 24)
    assert fetch(folder, "2020-02-01T01", 23).dataset.sizes["time"] == 23


def test_sums_of_three_hours_are_refused(folder: Path):
    three = [
        message(2e-3 * POINTS, short_name="tp", time=f"2020-02-01T{h:02d}", timeRangeIndicator=4,
                P1=0, P2=3)
        for h in range(6)
    ]  # fmt: skip
    (folder / "1.grib").write_bytes(b"".join(three))
    with pytest.raises(DataError, match="as the sum of 3 hours at 2020-02-01T03; expected that of"):
        fetch(folder, "2020-02-01T03", 6)


def test_every_fourth_hour_is_still_the_sum_of_one(folder: Path):
    write(folder / "1.grib", "2020-01-31T23", 49)
    wanted = np.datetime64("2020-02-01", "h") + np.arange(0, 48, 4)
    field = Files(str(folder)).fetch(
        MonthRequest(Month.of(wanted[0]), wanted, TP), folder.parent / "raw"
    ).dataset["total_precipitation"]  # fmt: skip
    expected = [rain(hour) for hour in wanted]
    assert len(set(expected)) > 3
    np.testing.assert_allclose(
        field.values, np.array(expected)[:, None, None] * POINTS, atol=1e-8 * 65, rtol=0
    )


def test_sums_of_six_hours_every_six_hours_are_refused(folder: Path):
    six = [
        message(2e-3 * POINTS, short_name="tp", time=f"2020-02-01T{h:02d}", timeRangeIndicator=4,
                P1=0, P2=6)
        for h in (0, 6, 12)
    ]  # fmt: skip
    (folder / "1.grib").write_bytes(b"".join(six))
    wanted = np.datetime64("2020-02-01T06") + np.arange(0, 18, 6)
    with pytest.raises(DataError, match="as the sum of 6 hours at 2020-02-01T06; expected that of"):
        Files(str(folder)).fetch(MonthRequest(Month.of(wanted[0]), wanted, TP), folder / "raw")


def test_other_variables_of_the_same_files_are_read_as_ever(folder: Path):
    hours = np.datetime64("2020-01-31T23") + np.arange(4) * HOUR
    (folder / "1.grib").write_bytes(
        b"".join(land(h) + message(280.0 + POINTS, time=str(h)) for h in hours)
    )
    fields = {"2m_temperature": (), **TP}
    month = fetch(folder, "2020-02-01", 3, fields)
    assert dict(month.dataset.sizes) == {"time": 3, "latitude": 3, "longitude": 2}
    np.testing.assert_allclose(
        month.dataset["2m_temperature"].values, [280.0 + POINTS] * 3, atol=1e-3
    )


def test_hourly_sums_win_over_others(folder: Path):
    write(folder / "land.grib", "2020-01-31T23", 3)
    hours = np.datetime64("2020-01-31T23") + np.arange(3) * HOUR
    (folder / "era5.grib").write_bytes(
        b"".join(
            message(1e-3 * POINTS, short_name="tp", time=str(h - HOUR), timeRangeIndicator=4, P2=1)
            for h in hours
        )
    )
    month = fetch(folder, "2020-02-01", 2)
    np.testing.assert_allclose(
        month.dataset["total_precipitation"].values, [1e-3 * POINTS] * 2, atol=1e-7
    )
    assert [file["name"] for file in month.manifest["files"]] == ["era5.grib"]


def test_what_was_left_out_is_told_where_it_is_missing(folder: Path):
    (folder / "mean.grib").write_bytes(message(POINTS, short_name="10u", type="es"))
    (folder / "1.grib").write_bytes(message(280.0 + POINTS))
    with pytest.raises(
        DataError, match=r"1\.grib: found 2m_temperature for 2020-01; expected also 10m_u_component"
        r"_of_wind; left out: mean\.grib: 10u with dataType es; expected an analysis or a forecast"
    ):  # fmt: skip
        fetch(folder, "2020-01-01", 1, {"10m_u_component_of_wind": ()})
    (folder / "1.grib").unlink()
    with pytest.raises(DataError, match=r"found no known variable in .*; left out: mean\.grib"):
        fetch(folder, "2020-01-01", 1, {"10m_u_component_of_wind": ()})
