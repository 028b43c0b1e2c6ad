"""Tiny folders of files laid out as WeatherBench 1."""

from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.variables import variable

RESOLUTION = "22.5deg"  # 8 x 16 points; WeatherBench's own are 5.625deg and finer


def write_weatherbench(
    folder: Path, truth: xr.Dataset, *, resolution: str = RESOLUTION, single_levels: bool = False
) -> Path:
    """Write fields as WeatherBench 1 has them: a file a variable and year, latitude rising.

    Args:
        folder: where the variables' folders go.
        truth: global fields in house form.
        resolution: part of the files' names.
        single_levels: write `temperature_850/temperature_850hPa_...` instead of all levels.
    """
    for name, field in truth.drop_vars("expver").data_vars.items():
        for year, part in field.groupby("time.year"):
            if single_levels and "level" in part.dims:
                for level in part["level"].values:
                    stem = f"{name}_{level}hPa_{year}_{resolution}.nc"
                    _write(folder / f"{name}_{level}" / stem, part.sel(level=level), str(name))
            else:
                stem = f"{name}_{year}_{resolution}.nc"
                _write(folder / str(name) / stem, part, str(name))
    return folder


def _write(path: Path, field: xr.DataArray, name: str) -> None:
    table = variable(name)
    field = field.sortby("latitude").rename(latitude="lat", longitude="lon").rename(table.label)
    field.attrs = {
        "units": {"1": "(0 - 1)", "J m-2": "J m**-2"}.get(table.units, table.units),
        "long_name": table.long_name,
    }
    if "level" in field.coords:
        field["level"] = field["level"].astype(np.int32)
        field["level"].attrs = {"units": "millibars", "long_name": "pressure_level"}
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = field.to_dataset().assign_attrs(Conventions="CF-1.6")
    dataset.to_netcdf(
        path, engine="netcdf4",
        encoding={"time": {"units": "hours since 1900-01-01", "dtype": "int32"}},
    )  # fmt: skip
