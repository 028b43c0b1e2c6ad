"""Land and sea, from a land-sea mask or from a sea surface temperature that land lacks."""

from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from met2net.verification.regions import Region, land_and_sea
from pipelines.errors import DataError

__all__ = ["read_land_and_sea"]

_FRACTION = ("land_sea_mask", "lsm")
_SEA_TEMPERATURE = ("sea_surface_temperature", "sst")
_TOLERANCE = 1e-4  # [degrees]


def read_land_and_sea(path: Path, grid: Grid) -> tuple[Region, ...]:
    """Read which points of a grid are land and which sea.

    Args:
        path: netCDF file or Zarr store with `latitude` and `longitude` that hold the grid's,
            and a `land_sea_mask` or `lsm` (fraction of land), or else a
            `sea_surface_temperature` or `sst`, which is missing over land.
        grid: of the scores.

    Raises:
        DataError: if there is no such file, variable or point.
    """
    if not path.exists():
        raise DataError(f"found no file {path}; expected a land-sea mask")
    opened = xr.open_zarr(path, chunks=None) if path.is_dir() else xr.open_dataset(path)
    with opened as dataset:
        found = [name for name in (*_FRACTION, *_SEA_TEMPERATURE) if name in dataset.data_vars]
        if not found:
            names = ", ".join(map(str, dataset.data_vars)) or "no variable"
            raise DataError(
                f"{path} has {names}; expected one of {', '.join((*_FRACTION, *_SEA_TEMPERATURE))}"
            )
        field = _on_grid(dataset[found[0]], grid, path=path)
    fraction = field if found[0] in _FRACTION else np.isnan(field).astype(float)
    try:
        return land_and_sea(fraction)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _on_grid(array: xr.DataArray, grid: Grid, *, path: Path) -> np.ndarray:
    """Select the grid's points of the first field."""
    for name in array.dims:
        if name not in ("latitude", "longitude"):
            array = array.isel({name: 0})
    missing = [name for name in ("latitude", "longitude") if name not in array.dims]
    if missing:
        raise DataError(f"{array.name} of {path} has no dimension {', '.join(missing)}")
    # The file may count longitudes in another turn than the grid.
    array = array.assign_coords(longitude=array["longitude"] % 360.0).sortby("longitude")
    points = {"latitude": list(grid.latitude), "longitude": [x % 360.0 for x in grid.longitude]}
    try:
        selected = array.sel(points, method="nearest", tolerance=_TOLERANCE)
    except KeyError as error:
        raise DataError(f"{array.name} of {path} lacks points of the grid {grid}") from error
    return selected.transpose("latitude", "longitude").values.astype(np.float64)
