"""Images in IDX files, as MNIST and Fashion-MNIST come, compressed or not."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from pipelines.errors import DataError

__all__ = ["find_idx", "read_idx_images"]

_MAGIC = 0x0803  # unsigned bytes, three dimensions
_HEADER = struct.Struct(">IIII")  # magic, images, rows, columns; big-endian


def find_idx(folder: Path, name: str) -> Path:
    """Find a file, compressed or not.

    Raises:
        DataError: if there is neither.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"found neither {name} nor {name}.gz in {folder}; expected one of them")


def read_idx_images(path: Path) -> np.ndarray:
    """Read all images: (image, row, column), uint8.

    Source: http://yann.lecun.com/exdb/mnist/ (the format), as Fashion-MNIST uses it too.

    Raises:
        DataError: if the file is damaged or holds something else.
    """
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is no whole gzip file: {error}") from error
    if len(content) < _HEADER.size:
        raise DataError(f"{path} has {len(content)} bytes; expected a header of {_HEADER.size}")
    magic, *shape = _HEADER.unpack_from(content)
    if magic != _MAGIC:
        raise DataError(f"{path} starts with {magic:#010x}; expected {_MAGIC:#010x}, IDX images")
    size = _HEADER.size + int(np.prod(shape, dtype=np.int64))
    if len(content) != size:
        raise DataError(
            f"{path} has {len(content)} bytes; expected {size} for {shape[0]} images of "
            f"{shape[1]} x {shape[2]}"
        )
    return np.frombuffer(content, np.uint8, offset=_HEADER.size).reshape(shape)
