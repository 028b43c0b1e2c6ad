"""What is wrong with a file is told by its name, and leaves the archive as it was."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, current_state, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Period
from pipelines.sources.files import Files
from pipelines.training_sets.splits import Splits
from tests.pipelines.formats.grib_files import LATITUDE, LONGITUDE, message

GOOD = Period("2016-01-31", "2016-01-31")
NEXT = Period("2016-02-01", "2016-02-02")
FIELDS = {"2m_temperature": (), "10m_u_component_of_wind": ()}
ELSEWHERE = LATITUDE + 20.0
AS_IT_IS = GridSettings()
CROPPED = GridSettings(box=Box(20.0, 70.0, 19.0, 71.0))


def weather(period: Period, *, latitude: np.ndarray = LATITUDE) -> xr.Dataset:
    """Make both fields as a netCDF file of the Climate Data Store has them."""
    hours = period.hours()
    count = np.arange(len(hours))[:, None, None]  # no day is the same as another
    field = 0.25 * np.arange(6.0).reshape(3, 2) + count % 24 + 0.125 * (count // 24)
    dims = ("valid_time", "latitude", "longitude")
    return xr.Dataset(
        {"t2m": (dims, 280.0 + field, {"units": "K"}), "u10": (dims, field, {"units": "m s**-1"})},
        coords={
            "valid_time": hours.astype("datetime64[ns]"),
            "latitude": latitude,
            "longitude": LONGITUDE,
        },
    )


def write_grib(path: Path, fields: xr.Dataset) -> Path:
    """Write the fields hour by hour, as the Climate Data Store does."""
    short_names = {"t2m": "2t", "u10": "10u"}
    path.write_bytes(
        b"".join(
            message(
                field.isel(valid_time=i).values,
                short_name=short_names[str(name)],
                time=str(time.astype("datetime64[h]")),
                latitude=fields["latitude"].values,
            )
            for i, time in enumerate(fields["valid_time"].values)
            for name, field in fields.data_vars.items()
        )
    )
    return path


def write_netcdf(path: Path, fields: xr.Dataset) -> Path:
    fields.to_netcdf(path, engine="netcdf4")
    return path


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:-size])


def ingest_folder(root: Path, period: Period, *, grid: GridSettings = AS_IT_IS) -> ArchiveState:
    return ingest(
        Files(str(root / "data")),
        period=period,
        fields=FIELDS,
        grid=grid,
        raw_folder=root / "raw",
        path=root / "archive",
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one good file, and the archive that took it in."""
    root = tmp_path_factory.mktemp("good")
    (root / "data").mkdir()
    write_grib(root / "data" / "january.grib", weather(GOOD))
    ingest_folder(root, GOOD)
    return root


def cut_grib(folder: Path) -> None:
    cut(write_grib(folder / "february.grib", weather(NEXT)), 50)


def cut_grib_between_messages(folder: Path) -> None:
    """Leave the last message out: the wind of the last hour."""
    path = write_grib(folder / "february.grib", weather(NEXT))
    cut(path, path.read_bytes()[::-1].index(b"BIRG") + 4)


def cut_netcdf(folder: Path) -> None:
    cut(write_netcdf(folder / "february.nc", weather(NEXT)), 50)


def web_page(folder: Path) -> None:
    (folder / "february.nc").write_text("<html>Service unavailable</html>")


def other_region(folder: Path) -> None:
    write_grib(folder / "february.grib", weather(NEXT, latitude=ELSEWHERE))


def two_regions(folder: Path) -> None:
    first, second = Period("2016-02-01", "2016-02-01"), Period("2016-02-02", "2016-02-02")
    write_grib(folder / "february_1.grib", weather(first))
    write_grib(folder / "february_2.grib", weather(second, latitude=ELSEWHERE))


def missing_hour(folder: Path) -> None:
    fields = weather(NEXT)
    write_grib(folder / "february.grib", fields.isel(valid_time=np.arange(48) != 5))


def missing_month(folder: Path) -> None:
    write_grib(folder / "march.grib", weather(Period("2016-03-01", "2016-03-01")))


def absent_variable(folder: Path) -> None:
    write_netcdf(folder / "february.nc", weather(NEXT).drop_vars("u10"))


def missing_value(write: Callable[[Path, xr.Dataset], Path], name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        fields = weather(NEXT)
        fields["t2m"][7, 1, 0] = np.nan
        write(folder / name, fields)

    return spoil


def wrong_units(folder: Path) -> None:
    fields = weather(NEXT)
    fields["t2m"].attrs["units"] = "degC"
    write_netcdf(folder / "february.nc", fields)


def mislabelled_units(folder: Path) -> None:
    fields = weather(NEXT)
    fields["t2m"][:] -= 273.15
    write_netcdf(folder / "february.nc", fields)


def hours_twice(folder: Path) -> None:
    fields = weather(NEXT)
    write_grib(folder / "february.grib", fields)
    fields["t2m"][:] += 0.5
    write_netcdf(folder / "february_again.nc", fields)


@dataclass(frozen=True)
class Case:
    """A fault, the files its refusal names, what it says it found, and what it expected."""

    spoil: Callable[[Path], None]
    files: tuple[str, ...]
    found: str
    expected: str


GRIB, NETCDF = ("february.grib",), ("february.nc",)
CASES = {
    "cut GRIB file": Case(
        cut_grib, GRIB, r"broken GRIB message in \d+ bytes", "whole messages to the end"
    ),
    "GRIB file cut between messages": Case(
        cut_grib_between_messages, GRIB, "no 10u at 2016-02-02T23:00", "all 48 hours, as 2t, 10u"
    ),
    "cut netCDF file": Case(cut_netcdf, NETCDF, "a broken netCDF file", "a whole one"),
    "web page": Case(web_page, NETCDF, "found a web page .HTML: 'Serv", "GRIB, netCDF or zip"),
    "file of another region": Case(
        other_region, GRIB, "grid is 3 x 2 points, latitude 40, 39, 38", "archive's, .*20, 19, 18"
    ),
    "one file of two of another region": Case(
        two_regions, ("february_2.grib", "february_1.grib"), "latitude 40, 39, 38", "20, 19, 18"
    ),
    "missing hour": Case(
        missing_hour, GRIB, "2m_temperature for 47 of 48 hours", r"all \(.* 2016-02-01T05\)"
    ),
    "missing month": Case(
        missing_month, ("january.grib", "march.grib"), "hours from 2016-01-31T00 to 2016-03-01T23",
        "hours of 2016-02, 2016-02-01T00 to 2016-02-02T23",
    ),
    "absent variable": Case(
        absent_variable, NETCDF, "2m_temperature for 2016-02", "10m_u_component_of_wind"
    ),
    "NaN in GRIB": Case(
        missing_value(write_grib, "february.grib"), GRIB,
        "2m_temperature has no value at 1 of 6 points at 2016-02-01T07", "every point to have one",
    ),
    "NaN in netCDF": Case(
        missing_value(write_netcdf, "february.nc"), NETCDF,
        "no value at 1 of 6 points at 2016-02-01T07, first at latitude 19, longitude 70",
        "every point to have one",
    ),
    "wrong units": Case(wrong_units, NETCDF, "t2m in 'degC'", "2m_temperature in 'K'"),
    "values in other units than said": Case(
        mislabelled_units, NETCDF, r"2m_temperature is 6\.\d+ K at 2016-02-0", "160 to 350 K"
    ),
    "same hours twice": Case(
        hours_twice, ("february.grib", "february_again.nc"),
        r"2m_temperature of 48 hours .* differ by up to 0\.5", r"the same within \S+ K",
    ),
}  # fmt: skip


def assert_refused(root: Path, case: Case, *, grid: GridSettings = AS_IT_IS) -> None:
    """Ingest the bad month; the message must tell all, and the archive stay as it is."""
    before = current_state(root / "archive")
    assert before is not None
    with pytest.raises(DataError) as refusal:
        ingest_folder(root, NEXT, grid=grid)
    text = str(refusal.value)
    for name in case.files:
        assert name in text
    assert re.search(case.found, text), text
    assert re.search(f"expected .*{case.expected}", text), text
    after = current_state(root / "archive")
    assert after is not None
    assert after.snapshot_id == before.snapshot_id
    assert after.months == before.months == ("2016-01",)
    assert open_archive(root / "archive").sizes["time"] == 24


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bad_file_is_named_and_the_archive_unchanged(good: Path, tmp_path: Path, case: Case):
    root = Path(shutil.copytree(good, tmp_path / "project"))
    case.spoil(root / "data")
    assert_refused(root, case)


def test_file_outside_the_archives_box_is_named_and_the_archive_unchanged(tmp_path: Path):
    (tmp_path / "data").mkdir()
    write_grib(tmp_path / "data" / "january.grib", weather(GOOD))
    ingest_folder(tmp_path, GOOD, grid=CROPPED)
    case = Case(other_region, GRIB, "latitude 40, 39, 38", "holds the box 20 to 19 north")
    case.spoil(tmp_path / "data")
    assert_refused(tmp_path, case, grid=CROPPED)


def test_mended_file_is_taken_in_after_all(good: Path, tmp_path: Path):
    root = Path(shutil.copytree(good, tmp_path / "project"))
    cut_grib(root / "data")
    assert_refused(root, CASES["cut GRIB file"])
    write_grib(root / "data" / "february.grib", weather(NEXT))
    state = ingest_folder(root, NEXT)
    assert state.months == ("2016-01", "2016-02")
    archive = open_archive(root / "archive", state.snapshot_id).sel(time=NEXT.hours())
    np.testing.assert_allclose(archive["2m_temperature"], weather(NEXT)["t2m"], atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"validation": Period("2016-01-06T23", "2016-01-08")},
            r"train \(2016-01-01T00 to 2016-01-06T23\) and validation \(2016-01-06T23 .* overlap",
        ),
        (
            {"test": Period("2016-01-01", "2016-01-10")},
            r"train .* and test \(2016-01-01T00 to 2016-01-10T23\) overlap",
        ),
    ],
)
def test_overlapping_splits_are_both_named(changes: dict[str, Any], message: str):
    periods = {
        "train": Period("2016-01-01", "2016-01-06"),
        "validation": Period("2016-01-07", "2016-01-08"),
        "test": Period("2016-01-09", "2016-01-10"),
    }
    Splits(**periods)
    with pytest.raises(ValueError, match=message + "; expected no hour in two splits"):
        Splits(**{**periods, **changes})
