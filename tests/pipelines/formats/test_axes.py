"""Axes are taken by their values and by what is said of them, never by their place."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.canonical import canonical
from pipelines.formats.decode import decode
from pipelines.formats.left_out import left_out

HOURS = np.datetime64("2020-01-01T00", "ns") + np.timedelta64(1, "h") * np.arange(2)
NORTH, EAST = np.array([20.0, 19.0, 18.0]), np.array([70.0, 71.0])


def weather(**axes) -> xr.Dataset:
    """2 m temperature of 280 + 10 x hour + 2 x row + column, axes under names of one's own."""
    values = 280.0 + np.arange(12.0).reshape(2, 3, 2)
    dims = axes.pop("dims", ("latitude", "longitude"))
    return xr.Dataset(
        {"t2m": (("time", *dims), values, {"units": "K", **axes.pop("attrs", {})})},
        coords={"time": HOURS, **axes},
    )


def named(**attrs: str) -> xr.Dataset:
    """Axes whose latitude has other attributes than it should."""
    return weather(latitude=("latitude", NORTH, attrs), longitude=EAST)


def test_an_auxiliary_coordinate_gives_a_dimension_its_values(tmp_path: Path) -> None:
    # `latitude(lat)`, not named by `coordinates`: a variable like any other.
    found = weather(dims=("lat", "lon")).assign(
        latitude=("lat", NORTH, {"units": "degrees_north"}),
        longitude=("lon", EAST, {"units": "degrees_east"}),
    )
    found.to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    for read in (canonical(found, origin="a"), decode(tmp_path / "a.nc")):
        assert read["latitude"].values.tolist() == NORTH.tolist()
        assert read["longitude"].values.tolist() == EAST.tolist()
        at = read["2m_temperature"].sel(time=HOURS[1], latitude=19.0, longitude=71.0)
        assert float(at) == 280 + 6 + 2 + 1


def test_a_rising_auxiliary_coordinate_turns_the_field() -> None:
    found = weather(dims=("lat", "lon"), latitude=("lat", NORTH[::-1]), longitude=("lon", EAST))
    at = canonical(found, origin="a")["2m_temperature"].sel(latitude=18.0, longitude=70.0)
    assert at.values.tolist() == [280.0, 286.0]


@pytest.mark.parametrize("units", ["degrees_north", "degree_N", "degreesN", "degrees", "deg"])
def test_degrees_are_known_by_their_spellings(units: str) -> None:
    assert canonical(named(units=units), origin="a")["latitude"].values.tolist() == NORTH.tolist()


TWO_DIMENSIONS = (("latitude", "longitude"), np.zeros((3, 2)))
REFUSED = {
    "no values": (weather(longitude=EAST), "found a dimension latitude of 3 without values"),
    "no values of either": (weather(dims=("lat", "lon")), "a dimension lat of 3 without values"),
    "two that differ": (
        weather(latitude=NORTH, longitude=EAST, lat=("latitude", NORTH + 1)),
        r"found other values in lat\(latitude\) than in latitude\(latitude\)",
    ),
    "radians": (named(units="radian"), "found latitude in 'radian'; expected 'degrees_north'"),
    "rad": (named(units="rad"), "found latitude in 'rad'"),
    "metres": (named(units="m"), "found latitude in 'm'"),
    "kilometres": (named(units="km"), "found latitude in 'km'"),
    "numbers": (named(units="1"), "found latitude in '1'"),
    "south": (named(units="degrees_south"), "found latitude in 'degrees_south'"),
    "east for north": (named(units="degrees_east"), "found latitude in 'degrees_east'"),
    "west": (
        weather(latitude=NORTH, longitude=("longitude", EAST, {"units": "degrees_west"})),
        "found longitude in 'degrees_west'; expected 'degrees_east'",
    ),
    "rotated": (named(standard_name="grid_latitude", units="degrees"), "is 'grid_latitude'"),
    "projected": (named(standard_name="projection_y_coordinate"), "is 'projection_y_coordinate'"),
    "rotated in words": (named(long_name="latitude in rotated pole grid"), "is 'latitude in rota"),
    "a mapping": (
        weather(latitude=NORTH, longitude=EAST, attrs={"grid_mapping": "crs"}).assign(
            crs=((), 0, {"grid_mapping_name": "rotated_latitude_longitude"})
        ),
        "on a grid of 'rotated_latitude_longitude'",
    ),
    "a mapping that is not there": (
        weather(latitude=NORTH, longitude=EAST, attrs={"grid_mapping": "rotated_pole"}),
        "on a grid of 'rotated_pole'",
    ),
    "a GRIB grid": (
        weather(latitude=NORTH, longitude=EAST, attrs={"GRIB_gridType": "lambert"}),
        "on a grid of 'lambert'",
    ),
    "curvilinear": (
        weather(latitude=NORTH, longitude=EAST, lat=TWO_DIMENSIONS),
        r"found lat\(latitude, longitude\), a curvilinear or rotated grid",
    ),
    "out of range": (weather(latitude=NORTH * 10, longitude=EAST), "found latitude from 180 to 20"),
    "metres east": (weather(latitude=NORTH, longitude=EAST * 1e3), "longitude from 70000 to 71000"),
    "no number": (weather(latitude=["a", "b", "c"], longitude=EAST), "expected numbers"),
    "not finite": (weather(latitude=[20, np.nan, 18], longitude=EAST), "found latitude from nan"),
    "row numbers": (weather(latitude=[0, 1, 2], longitude=[0, 1]), "that count points, 0 to 2"),
    "radians without a word": (
        weather(latitude=np.deg2rad(NORTH), longitude=np.deg2rad(EAST)), "that may be radians",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "text"), REFUSED.values(), ids=REFUSED)
def test_other_axes_are_refused_by_name(found: xr.Dataset, text: str) -> None:
    with pytest.raises(DataError, match=f"file.nc: .*{text}"):
        canonical(found, origin="file.nc")


def test_a_plain_mapping_and_small_boxes_without_units_are_degrees() -> None:
    plain = weather(latitude=NORTH, longitude=EAST, attrs={"grid_mapping": "crs"}).assign(
        crs=((), 0, {"grid_mapping_name": "latitude_longitude"})
    )
    assert canonical(plain, origin="a")["latitude"].values.tolist() == NORTH.tolist()
    for step in (0.25, 0.1, 1.0, 1 / 3):
        near = weather(latitude=[step, 0.0, -step], longitude=[1.0, 1.0 + step])
        assert canonical(near, origin="a").sizes["latitude"] == 3


def test_a_single_level_is_an_axis_of_what_lies_on_levels_alone() -> None:
    both = weather(latitude=NORTH, longitude=EAST, level=500.0)
    both["t"] = both["t2m"] - 30.0
    both["t"].attrs = {"units": "K"}
    read = canonical(both, origin="a")
    assert read["2m_temperature"].dims == ("time", "latitude", "longitude")
    assert read["temperature"].sel(level=500).values.max() == 280 + 11 - 30


def test_a_surface_variable_on_levels_is_not_dropped_in_silence() -> None:
    found = weather(latitude=NORTH, longitude=EAST).expand_dims(level=[500, 850])
    with pytest.raises(DataError, match="found t2m with dimensions"):
        canonical(found, origin="a")


def test_what_has_no_time_is_left_out_with_a_reason() -> None:
    found = weather(latitude=NORTH, longitude=EAST)
    found["sst"] = found["t2m"].isel(time=0, drop=True)
    read = canonical(found, origin="file.nc")
    assert list(read.data_vars) == ["2m_temperature"]
    assert left_out(read) == ("sst, which has no time",)
    assert not canonical(found[["sst"]], origin="file.nc").data_vars


def test_a_file_without_records_is_left_out_with_a_reason() -> None:
    empty = weather(latitude=NORTH, longitude=EAST).isel(time=slice(0))
    read = canonical(empty, origin="file.nc")
    assert not read.data_vars
    assert left_out(read) == ("t2m, of no hour",)


@pytest.mark.parametrize(
    ("attrs", "text"),
    [
        ({"standard_name": "atmosphere_hybrid_sigma_pressure_coordinate"}, "level that is 'atmos"),
        ({"long_name": "model_level_number"}, "level that is 'model_level_number'"),
        ({"units": "Pa"}, "levels in 'Pa'; expected 'hPa'"),
        ({"units": "m"}, "levels in 'm'"),
    ],
)
def test_levels_of_another_kind_are_refused(attrs: dict[str, str], text: str) -> None:
    found = weather(latitude=NORTH, longitude=EAST).rename(t2m="t")
    found = found.expand_dims("level").assign_coords(level=("level", [100], attrs))
    with pytest.raises(DataError, match=text):
        canonical(found, origin="a")
    with pytest.raises(DataError, match="a dimension level of 1 without values"):
        canonical(found.drop_vars("level"), origin="a")
