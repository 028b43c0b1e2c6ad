"""Fields of a remote store for Dask: read when needed, tried again, refused in one line."""

import logging
import sys
import time
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from pipelines.errors import DataError

__all__ = ["lazy_field", "network_errors"]

_logger = logging.getLogger(__name__)

_PAUSES = (1.0, 4.0, 16.0)  # [s] before the second, third and fourth try
_PIECE_BYTES = 2**27  # of whole store chunks that one piece of Dask's holds at once
_DAY = 24


def lazy_field(field: xr.DataArray, *, origin: str) -> xr.DataArray:
    """Give a field that Dask reads in pieces of whole hours, each piece once.

    A store's chunk has one hour of the whole field, and all its levels even where few are
    wanted. A piece is a day where that is small, and down to one hour where a chunk is
    large, so that memory stays within a few chunks a thread.

    Args:
        field: opened without Dask, first dimension `time`; its hours and levels are chosen.
        origin: address, for messages.

    Returns:
        The same field; reading it raises `DataError` where the store does not answer.
    """
    hours = min(_hours_a_piece(field), field.sizes["time"])
    data = da.from_array(
        _RemoteArray(field, origin),
        chunks=(hours, *field.shape[1:]),
        name=False,  # Dask would read a field to name it by its content
        meta=np.empty((0,) * field.ndim, dtype=field.dtype),
    )
    coords = {name: coord for name, coord in field.coords.items() if name in field.dims}
    return xr.DataArray(data, dims=field.dims, coords=coords, name=field.name, attrs=field.attrs)


def network_errors() -> tuple[type[Exception], ...]:
    """Give what a store raises where the network fails or refuses.

    Errors of a library that was not loaded cannot be raised, so none is loaded for its errors.
    """
    errors: list[type[Exception]] = [OSError]
    for module, name in (("aiohttp", "ClientError"), ("gcsfs.retry", "HttpError")):
        if module in sys.modules:
            errors.append(getattr(sys.modules[module], name))
    return tuple(errors)


def _hours_a_piece(field: xr.DataArray) -> int:
    """Give the largest part of a day whose chunks in the store are small enough together."""
    chunk = field.encoding["chunks"]
    hour_bytes = int(np.prod(chunk)) // chunk[0] * field.dtype.itemsize
    return max((n for n in (2, 3, 4, 6, 8, 12, _DAY) if n * hour_bytes <= _PIECE_BYTES), default=1)


@dataclass(frozen=True, eq=False)
class _RemoteArray:
    """What Dask reads pieces from: an array that patiently asks a store."""

    field: xr.DataArray
    origin: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.field.shape

    @property
    def ndim(self) -> int:
        return self.field.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.field.dtype

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        """Read one piece; after the last try, say which one was not to be had."""
        piece = self.field[key]
        for pause in (*_PAUSES, None):
            try:
                return np.asarray(piece.to_numpy())
            except network_errors() as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                failure = error
            except (RuntimeError, ValueError) as error:  # a chunk that cannot be unpacked
                raise DataError(
                    f"{self._where(piece)}: found a chunk that cannot be unpacked ({error}); "
                    "expected a whole one"
                ) from error
            if pause is not None:
                _logger.warning("%s: %s; again in %g s", self._where(piece), reason, pause)
                time.sleep(pause)
        raise DataError(
            f"{self._where(piece)}: cannot be read after {1 + len(_PAUSES)} tries ({reason}); "
            "run again when the network and the store answer"
        ) from failure

    def _where(self, piece: xr.DataArray) -> str:
        hours = piece["time"].values.astype("datetime64[h]")
        return f"{self.origin}: {piece.name}, {hours[0]} to {hours[-1]}"
