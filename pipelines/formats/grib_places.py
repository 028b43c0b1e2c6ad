"""Where the messages of a GRIB file lie."""

import os
from pathlib import Path

from pipelines.errors import DataError
from pipelines.formats.grib_library import ECCODES, eccodes

__all__ = ["message_places"]


class _AnyName(str):
    """A path for ecCodes' Python package, which encodes what it is given as ASCII."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        """Give the bytes that the file system knows the file by."""
        return os.fsencode(str(self))


def message_places(path: Path) -> list[tuple[int, int]]:
    """Give offset and size of every message; nothing may lie between or after them."""
    file_size = path.stat().st_size
    try:
        with ECCODES:
            places = list(
                eccodes.codes_extract_offsets_sizes(_AnyName(path), eccodes.CODES_PRODUCT_GRIB)
            )
    except eccodes.CodesInternalError as error:
        raise DataError(
            f"{path}: found a broken GRIB message in {file_size} bytes ({error}); expected whole "
            "messages to the end of the file"
        ) from error
    end = 0
    for count, (start, size) in enumerate([*places, (file_size, 0)]):
        if start != end:
            raise DataError(
                f"{path}: found {start - end} bytes after GRIB message {count} that belong to no "
                "message; expected whole messages to the end of the file"
            )
        end = start + size
    return places
