"""Fields of a netCDF file for Dask: read when needed; what cannot be read names the file."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from pipelines.disk_errors import is_of_disk
from pipelines.errors import DataError

__all__ = ["OF_BROKEN_FILES", "broken_file", "lazily"]

OF_BROKEN_FILES = (
    ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    zlib.error,
)  # fmt: skip
"""What netCDF's libraries raise, depending on which byte of a file is wrong."""


def broken_file(error: Exception, path: Path) -> Exception:
    """Turn a library's error about a file into one that names it.

    Returns:
        The error itself where it is the disk's trouble, or says already
        what is wrong.
    """
    if isinstance(error, DataError) or is_of_disk(error):
        return error
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: found a broken netCDF file ({reason}); expected a whole one")


def lazily(dataset: xr.Dataset, path: Path, *, chunks: dict[str, int]) -> xr.Dataset:
    """Give a file's variables to Dask in chunks; its coordinates stay as they are.

    Reading a chunk that is damaged raises `DataError` with the file's name.

    Args:
        dataset: opened without Dask.
        path: the file.
        chunks: dimension -> size; others are whole.
    """
    return dataset.assign({
        name: field.copy(data=_lazy(field, path, chunks))
        for name, field in dataset.data_vars.items() if field.ndim
    })  # fmt: skip


def _lazy(field: xr.DataArray, path: Path, chunks: dict[str, int]) -> da.Array:
    array = _FileArray(field.variable, path, str(field.name))
    lazy: da.Array = da.from_array(
        array,
        chunks=tuple(chunks.get(str(dim), -1) for dim in field.dims),
        name=False,  # Dask would read a field to name it by its content
        meta=np.empty((0,) * field.ndim, dtype=field.dtype),
    )
    return lazy


@dataclass(frozen=True, eq=False)
class _FileArray:
    """What Dask reads chunks from."""

    variable: xr.Variable
    path: Path
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.variable.shape

    @property
    def ndim(self) -> int:
        return self.variable.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.variable.dtype
        return dtype

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        try:
            return np.asarray(self.variable[key].to_numpy())
        except OF_BROKEN_FILES as error:
            raise broken_file(error, self.path) from error
