"""Files that are either complete or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from met2net.data.cf_metadata import with_names

__all__ = ["replacing", "write_netcdf", "write_text"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name in the same folder; rename it to `path` when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_netcdf(path: Path, dataset: xr.Dataset) -> None:
    """Write a netCDF-4 file atomically; axes are named and have no fill value."""
    with replacing(path) as temporary:
        with_names(dataset).to_netcdf(temporary, engine="netcdf4")
