import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid, equiangular
from pipelines.errors import DataError
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import Box, GridSettings
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


def test_grid_that_fits_is_cut_out_untouched():
    fields = global_fields(noise().astype(np.float32))
    box = Box(north=25, west=110, south=20, east=117)
    expected = fields.sel(latitude=slice(25, 20), longitude=slice(110, 117))
    for wanted in (GridSettings(box=box), GridSettings(box=box, resolution=1.0)):
        xr.testing.assert_identical(regrid(fields, wanted), expected)


def test_the_papers_box_is_bit_identical_to_the_source():
    axes = 90.0 - 0.25 * np.arange(721), 0.25 * np.arange(1440)
    values = np.random.default_rng(0).normal(280, 20, (1, 721, 1440)).astype(np.float32)
    fields = xr.Dataset(
        {"2m_temperature": (("time", "latitude", "longitude"), values)},
        coords={"time": HOURS[:1].astype("datetime64[ns]"), "latitude": axes[0],
                "longitude": axes[1]},
    )  # fmt: skip
    box = Box(north=44.0, west=110.0, south=12.25, east=141.75)
    for wanted in (
        GridSettings(box=box),
        GridSettings(box=box, resolution="0.25"),
        GridSettings(latitude=axes[0][184:312], longitude=axes[1][440:568]),
        GridSettings(box=box, resolution="0.25", method="bilinear"),
    ):
        result = regrid(fields.chunk(time=1), wanted)
        assert result["latitude"].values[[0, -1]].tolist() == [44.0, 12.25]
        assert result["longitude"].values[[0, -1]].tolist() == [110.0, 141.75]
        cut = result["2m_temperature"].values
        assert cut.shape == (1, 128, 128)
        assert cut.tobytes() == values[:, 184:312, 440:568].tobytes()


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


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_written_out_axes_are_reached(method: str):
    fields = global_fields(noise(1))
    wanted = GridSettings(latitude=[50, 40, 25], longitude=[0.0, 15.0, 20.0], method=method)
    result = regrid(fields, wanted)["2m_temperature"]
    assert result["latitude"].values.tolist() == [50.0, 40.0, 25.0]
    assert result["longitude"].values.tolist() == [0.0, 15.0, 20.0]
    if method == "bilinear":  # the points are the source's own
        np.testing.assert_allclose(
            result.values, fields["2m_temperature"].sel(latitude=result.latitude,
                                                        longitude=result.longitude).values,
            rtol=1e-14,
        )  # fmt: skip


def test_float64_fields_stay_float64():
    fields = global_fields(noise(1))
    assert regrid(fields, GridSettings(resolution=30.0))["2m_temperature"].dtype == np.float64
    result = regrid(fields.astype(np.int16), GridSettings(resolution=30.0))["2m_temperature"]
    assert result.dtype == np.float32
    assert result.compute().dtype == np.float32


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


@pytest.mark.parametrize(("threshold", "is_missing"), [(0.3, False), (0.4, False), (0.5, True)])
def test_the_share_that_must_have_values_is_a_setting(threshold: float, is_missing: bool):
    values = np.full((1, *ERA5_GRID.shape), 290.0)
    values[:, :, [0, 1, 2]] = np.nan  # 2/5 of the column -2.5..2.5 have values
    fields = global_fields(values, name="sea_surface_temperature")
    wanted = GridSettings(resolution=5.0, nan_threshold=threshold)
    result = regrid(fields, wanted)["sea_surface_temperature"].sel(longitude=0)
    assert np.isnan(result.values).all() == is_missing


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
