"""The climatology of a training set: on disk, looked up day by day and hour by hour.

An hourly one by day of year has 8,784 fields a channel: 2.3 GB for four channels of 128 x 128
points. Opening it reads nothing; its pages belong to the system's cache, so that all processes of
a machine share them.
"""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from met2net.data.valid_points import ValidPoints

__all__ = ["StoredMeans"]

_DTYPE = np.dtype("<f4")
_MOST_MAPS = 512  # files that stay mapped; a process may hold about 1,024 open


class StoredMeans:
    """Mean fields by day and hour of day, in chunks of some channels and rows without compression.

    Attributes:
        shape: days, hours of day, channels, latitudes, longitudes.
    """

    def __init__(
        self,
        array: Path,
        *,
        shape: tuple[int, int, int, int, int],
        chunk: tuple[int, int],
        valid: ValidPoints | None = None,
    ) -> None:
        """Map the chunks, or keep their names where they are very many.

        Args:
            array: the Zarr array's folder.
            shape: days, hours of day, channels, latitudes, longitudes.
            chunk: channels and latitudes of a chunk, which has all of the rest.
            valid: points with a value, the others are filled as they are read; None: all of them.

        Raises:
            ValueError: if a chunk is absent or cut off.
        """
        self.shape = shape
        self._valid = valid
        self._chunk = (*shape[:2], *chunk, shape[4])
        parts = [range(-(-size // step)) for size, step in zip(shape[2:4], chunk, strict=True)]
        self._files = {
            (c, row): array / "c" / "0" / "0" / str(c) / str(row) / "0"
            for c in parts[0]
            for row in parts[1]
        }
        size = math.prod(self._chunk) * _DTYPE.itemsize
        for file in self._files.values():
            # A map over the end of a file would end the process, not raise.
            found = file.stat().st_size if file.is_file() else 0
            if found != size:
                raise ValueError(f"{file} has {found} bytes; expected {size}, a whole chunk")
        few = self._files if len(self._files) <= _MOST_MAPS else {}
        self._maps = {place: self._map(file) for place, file in few.items()}

    @classmethod
    def open(cls, array: Path, *, valid: ValidPoints | None = None) -> "StoredMeans":
        """Open a Zarr array written by `pipelines.training_sets.prepare`.

        Raises:
            ValueError: if the array is laid out otherwise, or a chunk is absent or cut off.
        """
        import zarr  # here, since inference imports this module and has no use for Zarr

        found = zarr.open_array(array, mode="r")
        codecs = [type(codec).__name__ for codec in (*found.filters, *found.compressors)]
        whole = found.ndim == 5 and (*found.chunks[:2], found.chunks[4]) == (
            *found.shape[:2], found.shape[4],
        )  # fmt: skip
        if found.dtype != _DTYPE or codecs or not whole or found.shards is not None:
            raise ValueError(
                f"{array} has dtype {found.dtype}, codecs {codecs or 'none'} and chunks "
                f"{found.chunks} of shape {found.shape}; expected float32, no compression and "
                "whole days, hours and rows: build it again"
            )
        days, hours, channels, height, width = found.shape
        return cls(
            array,
            shape=(days, hours, channels, height, width),
            chunk=(found.chunks[2], found.chunks[3]),
            valid=valid,
        )

    def __getitem__(
        self, slots: tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]
    ) -> Float32[np.ndarray, "n c h w"]:
        """Read the fields of some days and hours of day, by their places, into new memory."""
        days, hours = slots
        out = np.empty((len(days), *self.shape[2:]), np.float32)
        for (c, row), file in self._files.items():
            means = self._maps[c, row] if self._maps else self._map(file)
            channels, rows = (
                slice(place * step, (place + 1) * step)
                for place, step in zip((c, row), self._chunk[2:4], strict=True)
            )
            part = out[:, channels, rows]
            # The last chunk of an axis is filled up beyond the array's edge.
            part[:] = means[days, hours, : part.shape[1], : part.shape[2]]
        if self._valid is not None:
            self._valid.fill(out)
        return out

    def _map(self, file: Path) -> np.ndarray:
        return np.asarray(np.memmap(file, _DTYPE, "r", shape=self._chunk))
