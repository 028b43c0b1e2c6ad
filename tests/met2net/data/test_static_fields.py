"""A static field is what its name and units say, one frame, on the grid of its training set."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from met2net.data.dataset_fields import DatasetFields
from met2net.data.grid import Grid
from met2net.data.static_field_file import (
    read_static_field,
    static_field_file,
    write_static_field,
)
from met2net.data.static_fields import (
    STATIC_VARIABLES,
    StaticField,
    find_static,
    static_array,
    static_candidates,
    static_variable,
)
from met2net.data.training_set import TrainingSet

GRID = Grid((20.0, 19.0, 18.0), (70.0, 71.0))
HEIGHTS = np.array([[0.0, 100.0], [250.0, 5000.0], [-4.0, 1.0]], np.float32)
HOURS = np.datetime64("2020-01-01T00", "ns") + np.arange(24 * 8) * np.timedelta64(1, "h")


def surface(values=HEIGHTS, *, dims=("latitude", "longitude"), **attrs) -> xr.DataArray:
    axes = {"latitude": list(GRID.latitude), "longitude": list(GRID.longitude)}
    return xr.DataArray(values, dims=dims, coords=axes, name="z", attrs=attrs)


def test_geopotential_becomes_metres_by_standard_gravity():
    found = static_array(surface(HEIGHTS * 9.80665, units="m**2 s**-2"), "orography")
    np.testing.assert_allclose(found.values, HEIGHTS, rtol=1e-6)
    assert found.attrs["units"] == "m" and found.name == "orography"
    assert found.attrs["standard_name"] == "surface_altitude"


def test_frames_that_are_the_same_are_one_and_others_are_refused():
    frames = np.stack([HEIGHTS, HEIGHTS + 0.1, HEIGHTS])  # 0.1 m: rounding of 16 bits
    array = surface(frames, dims=("time", "latitude", "longitude"), units="m")
    np.testing.assert_array_equal(static_array(array, "orography").values, HEIGHTS)
    frames[2, 0, 0] += 7
    with pytest.raises(ValueError, match="z changes with time, by up to 7 m within 3 times"):
        static_array(array.copy(data=frames), "orography")


@pytest.mark.parametrize("units", [{}, {"units": "K"}])
def test_units_are_never_taken_on_trust(units):
    with pytest.raises(ValueError, match="expected m or gpm or m2 s-2 for orography"):
        static_array(surface(**units), "orography")


def test_other_dimensions_are_refused():
    array = surface(np.stack([HEIGHTS] * 2), dims=("number", "latitude", "longitude"), units="m")
    with pytest.raises(ValueError, match="has dimensions number, latitude, longitude; expected"):
        static_array(array, "orography")
    assert static_array(array.isel(number=[1]), "orography").dims == ("latitude", "longitude")


def test_geopotential_on_levels_is_no_surface():
    on_levels = surface().expand_dims(level=[500, 850])
    at_one = surface().assign_coords(level=500)
    of_grib = surface(GRIB_typeOfLevel="isobaricInhPa")
    for array in (on_levels, at_one, of_grib):
        dataset = array.to_dataset(name="z")
        assert static_candidates(dataset, "orography") == []
        with pytest.raises(ValueError, match="found z; expected also orography, called orog"):
            find_static(dataset, "orography")
    both = xr.Dataset({"z": on_levels, "orog": surface(units="m")})
    assert static_candidates(both, "orography") == ["orog"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (HEIGHTS[:2], "has 2 x 2 points; expected 3 x 2 points"),
        (np.where(HEIGHTS == 100, np.nan, HEIGHTS), "has no value at 1 of 6 points"),
        (np.where(HEIGHTS == 100, np.inf, HEIGHTS), "has no value at 1 of 6 points"),
        (HEIGHTS * 9.8, "goes from -39.2 to 49000 m; expected -1000 to 9000"),
    ],
)
def test_values_that_no_ground_has_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        StaticField("orography", GRID, values.astype(np.float32))


def test_names_are_known_ones():
    assert list(STATIC_VARIABLES) == ["orography", "land_sea_mask"]
    with pytest.raises(ValueError, match="unknown static field 'soil'; expected one of: orography"):
        static_variable("soil")


def test_networks_see_kilometres_and_shares():
    np.testing.assert_allclose(StaticField("orography", GRID, HEIGHTS).seen, HEIGHTS / 1000)
    land = (HEIGHTS > 10).astype(np.float32)
    np.testing.assert_array_equal(StaticField("land_sea_mask", GRID, land).seen, land)


def test_a_file_gives_back_what_was_written(tmp_path: Path):
    field = StaticField("orography", GRID, HEIGHTS, {"source": "cds"})
    path = static_field_file(tmp_path / "abc.zarr", "orography")
    assert path == tmp_path / "abc.orography.safetensors"
    with pytest.raises(ValueError, match="found no file .*; expected orography beside"):
        read_static_field(path, "orography")
    write_static_field(path, field)
    found = read_static_field(path, "orography")
    assert (found.grid, found.content, found.provenance) == (GRID, field.content, {"source": "cds"})
    other = StaticField("orography", GRID, HEIGHTS + np.float32(1e-3))
    assert other.content != field.content
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="is damaged or no static field"):
        read_static_field(path, "orography")


def make_set(*, names=None, static_fields=("orography", "land_sea_mask")) -> TrainingSet:
    rng = np.random.default_rng(0)
    shape = (len(HOURS), *GRID.shape)
    dims = ("time", "latitude", "longitude")
    weather = xr.DataArray(
        285.0 + rng.normal(size=shape), dims=dims, attrs={"units": "K"},
        coords={"time": HOURS, **surface().coords},
    )  # fmt: skip
    dataset = xr.Dataset({
        "t2m": weather, "HGT": surface(units="m"), "z": surface(HEIGHTS * 9.80665, units="m2 s-2"),
        "lsm": surface((HEIGHTS > 10).astype(float), units="(0 - 1)"),
    }).isel(latitude=[2, 1, 0])  # fmt: skip
    return TrainingSet.from_dataset(
        dataset, variables={"t2m": ["t2m"]}, names=names, static_fields=static_fields,
        splits={"train": ("2020-01-01", "2020-01-05"), "validation": ("2020-01-06", "2020-01-06"),
                "test": ("2020-01-07", "2020-01-08")},
    )  # fmt: skip


def test_a_set_in_memory_has_those_of_its_dataset_turned_as_its_fields():
    data = make_set()
    np.testing.assert_allclose(data.static_field("orography").values, HEIGHTS, rtol=1e-6)
    assert data.static_field("land_sea_mask").values.sum() == 3
    assert data.static_field("orography").grid == data.grid
    named = make_set(names={"orography": "HGT"}, static_fields=["orography"])
    np.testing.assert_array_equal(named.static_field("orography").values, HEIGHTS)
    assert list(data.static_contents(["land_sea_mask"])) == ["land_sea_mask"]


def test_a_set_without_them_is_the_one_that_it_was():
    without = make_set(static_fields=())
    assert without.attrs["fingerprint"] != make_set().attrs["fingerprint"]
    assert "static_fields" not in without.attrs["settings"]
    with pytest.raises(ValueError, match="has no static fields; expected orography: name it in"):
        without.static_field("orography")
    with pytest.raises(ValueError, match="unknown static field 'soil'"):
        make_set(static_fields=["soil"])
    with pytest.raises(ValueError, match="names has orography; expected channels"):
        make_set(names={"orography": "HGT"}, static_fields=())


def test_axes_in_any_order_are_those_of_the_house():
    dataset = surface(units="m").to_dataset(name="orog").isel(latitude=[2, 1, 0])
    found = find_static(DatasetFields.of(dataset).dataset, "orography")
    assert found["latitude"].values.tolist() == list(GRID.latitude)
    np.testing.assert_array_equal(found.values, HEIGHTS)
