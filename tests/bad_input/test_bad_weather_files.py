"""Cut, flipped and mistaken files of weather: each gives good data or one line, and no file."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from met2net.data.variables import VARIABLES
from pipelines.archive.ingest import ingest
from pipelines.archive.state import current_state
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.fields.verify_month import check_content
from pipelines.formats.decode import decode
from pipelines.period import Period
from pipelines.sources.files import Files
from tests.bad_input.refusals import assert_explained, generated, tree
from tests.builders import FakeSource, make_month
from tests.pipelines.formats.grib_files import message

pytestmark = [
    # xarray and NumPy about damaged attributes and values; ranges are checked afterwards.
    pytest.mark.filterwarnings("ignore:.*non-conforming '_FillValue'"),
    pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning"),
]
HOURS = np.arange("2020-01-01T00", "2020-01-01T02", dtype="datetime64[h]")


def grib() -> bytes:
    field = 280.0 + np.arange(6.0).reshape(3, 2)
    return b"".join(message(field + h, time=f"2020-01-01T0{h}") for h in range(2))


def netcdf(folder: Path, form: str) -> bytes:
    path = folder / "made.nc"
    dataset = xr.Dataset(
        {"t2m": (("valid_time", "latitude", "longitude"), np.full((2, 3, 2), 280.0),
                 {"units": "K"})},
        coords={"valid_time": HOURS.astype("datetime64[ns]"), "latitude": [20.0, 19.0, 18.0],
                "longitude": [70.0, 71.0]},
    )  # fmt: skip
    dataset.to_netcdf(path, engine="netcdf4", format=form)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole file of each kind."""
    folder = tmp_path_factory.mktemp("originals")
    for name, form in (("netcdf4", "NETCDF4"), ("netcdf3", "NETCDF3_CLASSIC")):
        (folder / name).write_bytes(netcdf(folder, form))
    (folder / "grib").write_bytes(grib())
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.grib", grib())
    return folder


def check_reading(path: Path, folder: Path) -> None:
    """Read a file to its last value; it is readable, or refused in one line."""
    before = tree(folder)
    try:
        decode(path).load()
    except DataError as error:
        assert_explained(error)
        assert path.name in str(error)
    assert tree(folder) == before


@pytest.mark.parametrize("kind", ["grib", "netcdf3", "zip"])
@generated(50)
@given(
    flips=st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 7)), min_size=1, max_size=3),
    end=st.none() | st.integers(0, 9999),
)
def test_damaged_bytes_never_end_in_anything_but_one_line(
    originals: Path,
    tmp_path: Path,
    kind: str,
    flips: list[tuple[int, int]],
    end: int | None,
) -> None:
    content = bytearray((originals / kind).read_bytes())
    for place, bit in flips:
        content[place % len(content)] ^= 1 << bit
    path = tmp_path / "damaged"
    path.write_bytes(bytes(content[: None if end is None else end % len(content)]))
    check_reading(path, tmp_path)


@generated(60)
@given(end=st.integers(0, 5000))
def test_a_cut_netcdf4_file_is_refused(originals: Path, tmp_path: Path, end: int) -> None:
    path = tmp_path / "cut"
    path.write_bytes((originals / "netcdf4").read_bytes()[:end])
    with pytest.raises(DataError) as caught:
        decode(path)
    assert_explained(caught.value)


@generated(60)
@given(
    start=st.sampled_from(
        [b"", b"GRIB", b"CDF\x01", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"<html>"]
    ),
    rest=st.binary(max_size=200),
)
def test_bytes_after_any_beginning_are_refused(tmp_path: Path, start: bytes, rest: bytes) -> None:
    path = tmp_path / "noise"
    path.write_bytes(start + rest)
    with pytest.raises(DataError) as caught:
        decode(path)
    assert_explained(caught.value)


MISTAKES = {
    "K": (1.0, -273.15, "degrees Celsius"),
    "Pa": (0.01, 0.0, "hPa"),
    "1": (100.0, 0.0, "%"),
    "m": (1000.0, 0.0, "mm"),
    "kg kg-1": (1000.0, 0.0, "g kg-1"),
}
USUAL = {"K": 285.0, "Pa": 95_000.0, "1": 0.7, "m": 0.005, "kg kg-1": 0.01}


@pytest.mark.parametrize(
    "table", [v for v in VARIABLES if v.units in MISTAKES], ids=lambda v: v.label
)
def test_a_whole_field_in_the_usual_wrong_unit_is_named(table) -> None:
    factor, shift, units = MISTAKES[table.units]
    field = _field(table, USUAL[table.units] * factor + shift)
    with pytest.raises(
        DataError, match=re.escape(f"(the whole field looks like {units})")
    ) as caught:
        check_content(field.chunk(), {table.name: _levels(table)})
    assert_explained(caught.value)
    assert "at 2020-01-01T00, latitude 25, longitude 110" in str(caught.value)


@pytest.mark.parametrize("table", VARIABLES, ids=lambda v: v.label)
@pytest.mark.parametrize("side", [0, 1])
def test_a_value_beyond_the_limits_is_refused_with_where_and_when(table, side: int) -> None:
    low, high = table.valid_range
    field = _field(table, (low + high) / 2)
    field[table.name].values[1, ..., 2, 3] = (low - 1.0, high * 1.01 + 1.0)[side]
    with pytest.raises(
        DataError, match="at 2020-01-01T01, latitude 23, longitude 113; expected"
    ) as e:
        check_content(field.chunk(), {table.name: _levels(table)})
    assert_explained(e.value)
    assert "looks like" not in str(e.value)  # one point is no mistake of units


def _levels(table) -> tuple[int, ...]:
    return (500,) if table.level_kind == "pressure" else ()


def _field(table, value: float) -> xr.Dataset:
    """One variable with one value everywhere."""
    made = make_month(HOURS, fields={"2m_temperature": ()})
    field = xr.full_like(made["2m_temperature"], value)
    if _levels(table):
        field = field.expand_dims({"level": [500]}, axis=1).copy()
    return xr.Dataset({table.name: field.assign_attrs(table.attrs)})


@pytest.mark.parametrize("spoiled", ["celsius", "hPa label", "constant"])
def test_a_refused_month_leaves_the_folders_as_they_were(tmp_path: Path, spoiled: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    period = Period("2020-01-01", "2020-01-01")
    dataset = make_month(period.hours(), fields={"2m_temperature": ()}).drop_vars("expver")
    if spoiled == "celsius":
        dataset["2m_temperature"][:] -= 273.15
    elif spoiled == "hPa label":
        dataset["2m_temperature"].attrs["units"] = "hPa"
    else:
        dataset["2m_temperature"][:] = 0.0
    dataset.to_netcdf(data / "a.nc", engine="netcdf4")
    before = tree(data)
    with pytest.raises(DataError) as caught:
        ingest(
            Files(str(data)), period=period, fields={"2m_temperature": ()}, grid=GridSettings(),
            raw_folder=tmp_path / "raw", path=tmp_path / "archive",
        )  # fmt: skip
    assert_explained(caught.value)
    assert tree(data) == before
    state = current_state(tmp_path / "archive")
    assert state is None or state.months == ()


def test_a_source_of_made_up_weather_can_be_refused_too(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        ingest(
            FakeSource(), period=Period("2101-01", "2101-01"), fields={"2m_temperature": ()},
            grid=GridSettings(), raw_folder=tmp_path / "raw", path=tmp_path / "archive",
        )  # fmt: skip
