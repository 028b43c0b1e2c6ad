"""Tell GRIB, netCDF and zip apart by their first bytes."""

from pathlib import Path
from typing import Literal

__all__ = ["DATA_SUFFIXES", "FileFormat", "file_format"]

FileFormat = Literal["grib", "netcdf", "zip"]

DATA_SUFFIXES = (".grib", ".grib1", ".grib2", ".grb", ".grb2", ".nc", ".nc4", ".netcdf", ".zip")

# Sources: WMO Manual on Codes, FM 92 GRIB; HDF5 file format specification; netCDF classic
# format (versions 1, 2 and 5); PKWARE APPNOTE.
_MAGIC: tuple[tuple[bytes, FileFormat], ...] = (
    (b"GRIB", "grib"),
    (b"\x89HDF\r\n\x1a\n", "netcdf"),
    (b"CDF\x01", "netcdf"),
    (b"CDF\x02", "netcdf"),
    (b"CDF\x05", "netcdf"),
    (b"PK\x03\x04", "zip"),
)


def file_format(path: Path) -> FileFormat | None:
    """Give the format that the first bytes announce, or None for anything else."""
    with path.open("rb") as file:
        start = file.read(8)
    return next((name for magic, name in _MAGIC if start.startswith(magic)), None)
