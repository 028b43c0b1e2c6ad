"""The fields of a training set: on disk without compression, read or mapped row by row.

A chunk of the Zarr array is a file with whole hours (`chunk hours x C x H x W`, float32,
little-endian) and nothing else, so that a window is one or two plain reads, and a mapped set
lies once in the memory of a machine, however many processes read it. Compressed chunks would
have to be decoded whole for every window, and normalized float32 fields hardly shrink.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from met2net.data.valid_points import ValidPoints

__all__ = [
    "Allocate",
    "Fields",
    "StoredFields",
    "allocate_new",
    "allocate_page_locked",
    "chunk_path",
    "read_frames",
]

_DTYPE = np.dtype("<f4")


def chunk_path(array: Path, number: int) -> Path:
    """Give the file of a chunk of whole hours; `array` is the Zarr array's folder."""
    return array / "c" / str(number) / "0" / "0" / "0"


class StoredFields:
    """Fields on disk, by hours: memory-mapped where they fit a limit, else read when asked for.

    Either way the same values; points without a value are filled as they are read, whatever the
    files hold there. Mapped pages belong to the system's cache: they are shared by
    all processes and given back when memory gets short.

    Attributes:
        shape: hours, channels, latitudes, longitudes.
        is_mapped: whether they are memory-mapped.
    """

    def __init__(
        self,
        files: list[Path],
        *,
        shape: tuple[int, int, int, int],
        chunk_hours: int,
        is_mapped: bool,
        valid: ValidPoints | None = None,
    ) -> None:
        """Map the files, or keep their names."""
        self._valid = valid
        self.shape = shape
        self.is_mapped = is_mapped
        self.ndim = len(shape)
        self.dtype = np.dtype(np.float32)
        self._files = files
        self._chunk_hours = chunk_hours
        self._row_bytes = int(np.prod(shape[1:])) * _DTYPE.itemsize
        chunk = (chunk_hours, *shape[1:])
        mapped = files if is_mapped else []
        self._maps = [np.asarray(np.memmap(f, _DTYPE, "r", shape=chunk)) for f in mapped]

    @classmethod
    def open(
        cls, path: Path, *, memory_limit: int, valid: ValidPoints | None = None
    ) -> "StoredFields":
        """Open a Zarr array written by `pipelines.training_sets.prepare`.

        Args:
            path: the array's folder.
            memory_limit: fields up to this size [bytes] are mapped, larger ones streamed.
            valid: points with a value; None: all of them.

        Raises:
            ValueError: if the array is laid out otherwise, or a chunk is absent or cut off.
        """
        import zarr  # here, since inference imports this module and has no use for Zarr

        array = zarr.open_array(path, mode="r")
        _check_layout(path, array)
        hours, *rest = array.shape
        size = array.chunks[0] * int(np.prod(rest)) * _DTYPE.itemsize
        files = [chunk_path(path, n) for n in range(-(-hours // array.chunks[0]))]
        for file in files:
            # A map over the end of a file would end the process, not raise.
            found = file.stat().st_size if file.is_file() else 0
            if found != size:
                raise ValueError(f"{file} has {found} bytes; expected {size}, a whole chunk")
        shape = (hours, rest[0], rest[1], rest[2])
        is_mapped = hours * size // array.chunks[0] <= memory_limit
        return cls(
            files, shape=shape, chunk_hours=array.chunks[0], is_mapped=is_mapped, valid=valid
        )

    @property
    def nbytes(self) -> int:
        """Size of all fields [bytes]."""
        return self.shape[0] * self._row_bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Int64[np.ndarray, " n"] | slice | int) -> np.ndarray:
        """Read some hours into new memory."""
        if isinstance(rows, int):
            hour: np.ndarray = self[np.array([rows])][0]
            return hour
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        out = np.empty((len(rows), *self.shape[1:]), np.float32)
        self.read_into(rows, out)
        return out

    def read_into(self, rows: Int64[np.ndarray, " n"], out: Float32[np.ndarray, "n c h w"]) -> None:
        """Copy some hours into memory that is there.

        Raises:
            IndexError: if an hour is not in the set.
            ValueError: if a chunk's file has become shorter.
        """
        if len(rows) and not (0 <= rows.min() and rows.max() < len(self)):
            raise IndexError(f"rows {rows.min()} to {rows.max()}; expected 0 to {len(self) - 1}")
        self._copy(rows, out)
        if self._valid is not None:
            self._valid.fill(out)

    def _copy(self, rows: Int64[np.ndarray, " n"], out: Float32[np.ndarray, "n c h w"]) -> None:
        """Copy some hours as they are stored, whatever stands at points without a value."""
        for start, stop in _runs(rows, self._chunk_hours):
            number, first = divmod(int(rows[start]), self._chunk_hours)
            if self.is_mapped:
                out[start:stop] = self._maps[number][first : first + stop - start]
            else:
                _read(self._files[number], first * self._row_bytes, out[start:stop])


Fields: TypeAlias = StoredFields | np.ndarray | Tensor
"""Fields by hours: (time, C, H, W)."""


Allocate: TypeAlias = Callable[[tuple[int, ...], torch.dtype], Tensor]
"""Gives a contiguous tensor of a shape and dtype with any content."""


def allocate_new(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Give new memory."""
    return torch.empty(shape, dtype=dtype)


def allocate_page_locked(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Give memory from which a copy to a GPU goes on beside the computation."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)


def read_frames(
    fields: Fields, rows: Int64[np.ndarray, "b t"], *, allocate: Allocate = allocate_new
) -> Float[Tensor, "b t c h w"]:
    """Read the frames of a batch; from a tensor they are gathered on its device."""
    if isinstance(fields, Tensor):
        return fields[torch.from_numpy(rows).to(fields.device)]
    shape = (*rows.shape, *fields.shape[1:])
    frames = allocate(shape, torch.from_numpy(np.empty(0, fields.dtype)).dtype)
    out = frames.numpy().reshape(-1, *shape[2:])
    if isinstance(fields, StoredFields):
        fields.read_into(rows.reshape(-1), out)
    else:
        # The positions are right by construction; checking them would cost a second copy.
        np.take(fields, rows.reshape(-1), axis=0, out=out, mode="clip")
    return frames


def _runs(rows: Int64[np.ndarray, " n"], chunk_hours: int) -> Iterator[tuple[int, int]]:
    """Cut rows where they are not next to each other in one chunk."""
    if len(rows) == 0:
        return
    breaks = (np.diff(rows) != 1) | (rows[1:] % chunk_hours == 0)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(rows)]
    yield from zip(edges, edges[1:], strict=False)


def _read(file: Path, offset: int, out: np.ndarray) -> None:
    """Fill `out` from a place in a file."""
    rest = out.data.cast("B")
    descriptor = os.open(file, os.O_RDONLY)
    try:
        # The system may give less than asked (2 GiB at most): the rest takes further calls.
        while len(rest) > 0:
            found = os.preadv(descriptor, [rest], offset + out.nbytes - len(rest))
            if found == 0:
                raise ValueError(
                    f"{file} ends {len(rest)} bytes early; expected {out.nbytes} at {offset}"
                )
            rest = rest[found:]
    finally:
        os.close(descriptor)


def _check_layout(path: Path, array: Any) -> None:
    """Refuse a Zarr array whose chunks are not plain files of whole hours."""
    codecs = [type(codec).__name__ for codec in (*array.filters, *array.compressors)]
    whole = array.ndim == 4 and array.chunks[1:] == array.shape[1:] and array.shards is None
    if array.dtype != _DTYPE or codecs or not whole:
        raise ValueError(
            f"{path} has dtype {array.dtype}, codecs {codecs or 'none'} and chunks "
            f"{array.chunks} of shape {array.shape}; "
            "expected float32, no compression and whole fields: build it again"
        )
