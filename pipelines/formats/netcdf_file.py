"""Opening a netCDF file, classic or HDF5, with the library that suits it."""

from pathlib import Path

import xarray as xr

from pipelines.formats.classic_netcdf import check_classic_netcdf
from pipelines.formats.file_array import OF_BROKEN_FILES, broken_file

__all__ = ["open_netcdf"]


def open_netcdf(path: Path) -> xr.Dataset:
    """Open a netCDF file; nothing that is read is kept.

    Raises:
        DataError: if the file is cut or broken.
    """
    check_classic_netcdf(path)
    with path.open("rb") as file:
        is_hdf5 = file.read(4) == b"\x89HDF"
    try:
        # netCDF's own library must not be entered from two threads at once; h5py locks itself.
        return xr.open_dataset(path, engine="h5netcdf" if is_hdf5 else "netcdf4", cache=False)
    except OF_BROKEN_FILES as error:
        raise broken_file(error, path) from error
