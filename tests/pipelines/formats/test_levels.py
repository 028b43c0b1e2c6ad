import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.canonical import canonical
from pipelines.formats.decode import decode
from pipelines.formats.levels import held_levels, side_by_side, stacked
from tests.pipelines.formats.grib_files import message

FIELD = np.arange(6.0).reshape(3, 2)


def on_levels(levels, *, name: str = "t", base: float = 0.0) -> xr.Dataset:
    """Temperature that is its level / 10 + base, or geopotential that is ten times as much."""
    values = np.broadcast_to(np.asarray(levels, float)[None, :, None, None], (2, len(levels), 3, 2))
    values, units = (values / 10 + 200.0 + base, "K") if name == "t" else (values * 10, "m2 s-2")
    return xr.Dataset(
        {name: (("time", "level", "latitude", "longitude"), values, {"units": units})},
        coords={
            "time": np.array(["2020-01-01T00", "2020-01-01T01"], "M8[ns]"),
            "level": ("level", np.asarray(levels), {"units": "hPa"}),
            "latitude": [20.0, 19.0, 18.0], "longitude": [70.0, 71.0],
        },
    )  # fmt: skip


def test_levels_are_rounded_and_not_cut_off() -> None:
    noisy = np.array([849.99994, 500.00003], np.float32)
    read = canonical(on_levels(noisy), origin="a")
    assert read["level"].values.tolist() == [500, 850]
    assert read["level"].dtype == np.int64
    assert float(read["temperature"].sel(level=850).mean()) == pytest.approx(285.0, abs=1e-4)
    single = canonical(on_levels(noisy).isel(level=0), origin="a")
    assert single["level"].values.tolist() == [850]


@pytest.mark.parametrize("levels", [[0, 1, 2], [-1, 500], [0.0]])
def test_what_is_no_pressure_is_no_level(levels: list[float]) -> None:
    with pytest.raises(DataError, match=r"a\.nc: found levels .*; expected pressures in hPa"):
        canonical(on_levels(levels), origin="a.nc")


def test_levels_that_count_places_are_pressures_only_where_the_file_says_so() -> None:
    said = on_levels([1, 2, 3])
    assert canonical(said, origin="a")["level"].values.tolist() == [1, 2, 3]
    unsaid = said.assign_coords(level=[1, 2, 3])
    with pytest.raises(DataError, match="found levels 1, 2, 3; expected pressures in hPa"):
        canonical(unsaid, origin="a")
    other = said.assign_coords(level=[1, 2, 5])  # as ARCO's axis, which says nothing
    assert canonical(other, origin="a")["level"].values.tolist() == [1, 2, 5]


def test_levels_between_whole_ones_are_left_out_with_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    read = canonical(on_levels([0.5, 500.0, 849.7]), origin="a.nc")
    assert read["level"].values.tolist() == [500]
    assert "a.nc: levels of 0.5, 849.7 hPa left out" in caplog.text
    with pytest.raises(DataError, match=r"levels 0\.5 hPa; expected whole hectopascals"):
        canonical(on_levels([0.5]), origin="a.nc")
    with pytest.raises(DataError, match="level 850 twice"):
        canonical(on_levels([849.9999, 850.0]), origin="a.nc")


def test_fields_of_a_grib_file_may_lie_on_levels_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.grib"
    path.write_bytes(
        message(FIELD + 50_000, short_name="z", level=500)
        + message(FIELD + 280, short_name="t", level=850)
        + message(FIELD + 290, short_name="t", level=1000)
    )
    read = decode(path).load()
    assert held_levels(read["geopotential"]) == (500,)
    assert held_levels(read["temperature"]) == (850, 1000)
    assert float(read["temperature"].sel(level=850)[0, 2, 1]) == pytest.approx(285.0, abs=1e-3)
    assert np.isnan(read["geopotential"].sel(level=850)).all()


def test_members_of_a_zip_may_have_a_level_each(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    parts = [on_levels([850]), on_levels([500]), on_levels([700], name="z"), on_levels([850])]
    with zipfile.ZipFile(path, "w") as archive:
        for number, part in enumerate(parts):  # the last one is the first again
            part.to_netcdf(tmp_path / "part.nc", engine="netcdf4")
            archive.write(tmp_path / "part.nc", f"{number}.nc")
    read = decode(path)
    assert read["temperature"].sel(level=[500, 850]).values[0, :, 0, 0].tolist() == [250.0, 285.0]
    assert held_levels(read["temperature"]) == (500, 850)
    assert float(read["geopotential"].sel(level=700)[0, 0, 0]) == 7000.0
    on_levels([850], base=1.0).to_netcdf(tmp_path / "part.nc", engine="netcdf4")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(tmp_path / "part.nc", "other.nc")
    with pytest.raises(DataError, match="found temperature more than once"):
        decode(path)


def test_a_field_on_all_levels_says_nothing_about_them() -> None:
    t, z = on_levels([500, 850])["t"], on_levels([500], name="z")["z"]
    both = side_by_side({"t": t, "z": z})
    assert "held_levels" not in both["t"].attrs
    assert held_levels(both["z"]) == (500,)
    assert side_by_side({"t": t})["t"].identical(t)
    with pytest.raises(ValueError, match="more than once"):
        stacked([t.isel(level=0, drop=True), t.isel(level=1, drop=True)])
