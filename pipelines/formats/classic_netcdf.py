"""Tell whether a classic netCDF file is whole: the netCDF library reads zeros past its end."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipelines.disk_errors import is_of_disk
from pipelines.errors import DataError

__all__ = ["check_classic_netcdf"]

# Bytes of a value by type code: byte char short int float double, and CDF-5's ubyte ushort
# uint int64 uint64. Source: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
_TYPE_SIZE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}


@dataclass(frozen=True)
class _Header:
    """Reads a header's big-endian numbers; their width depends on the version."""

    file: BinaryIO
    version: int

    def number(self, width: int) -> int:
        content = self.file.read(width)
        if len(content) < width:
            raise EOFError
        value: int = struct.unpack(">q" if width == 8 else ">i", content)[0]
        return value

    def count(self) -> int:
        return self.number(8 if self.version == 5 else 4)

    def offset(self) -> int:
        return self.number(4 if self.version == 1 else 8)

    def list_length(self) -> int:
        self.number(4)  # the kind of list
        return self.count()

    def skip(self, size: int) -> None:
        self.file.seek(_padded(size), 1)

    def skip_attributes(self) -> None:
        for _ in range(self.list_length()):
            self.skip(self.count())  # its name
            size = _TYPE_SIZE[self.number(4)]
            self.skip(self.count() * size)


def check_classic_netcdf(path: Path) -> None:
    """Compare the size that the header implies with the size of the file.

    Does nothing for netCDF-4 files, whose library notices a missing end by itself.

    Raises:
        DataError: if the file is shorter than its header says.
    """
    with path.open("rb") as file:
        if file.read(3) != b"CDF":
            return
        try:
            expected = _expected_size(_Header(file, file.read(1)[0]))
        # A damaged number leads to a kind, dimension or place that there is not.
        except (EOFError, LookupError, OSError, OverflowError) as error:
            if is_of_disk(error):
                raise
            raise DataError(
                f"{path}: found a broken netCDF header; expected a whole one"
            ) from error
    found = path.stat().st_size
    if found < expected:
        raise DataError(
            f"{path}: found {found} bytes; expected {expected} as its netCDF header says "
            "(the file was cut)"
        )


def _expected_size(header: _Header) -> int:
    """Give the end of the last value [bytes]."""
    records = max(header.count(), 0)
    dimensions = []
    for _ in range(header.list_length()):
        header.skip(header.count())
        dimensions.append(header.count())
    header.skip_attributes()
    ends = [0]
    record_parts: list[tuple[int, int]] = []  # begin and size of each variable in a record
    for _ in range(header.list_length()):
        header.skip(header.count())
        shape = [dimensions[header.count()] for _ in range(header.count())]
        header.skip_attributes()
        item = _TYPE_SIZE[header.number(4)]
        header.count()  # the stored size overflows for large variables; the shape does not
        begin = header.offset()
        if shape and shape[0] == 0:  # length 0 marks the record dimension
            record_parts.append((begin, item * math.prod(shape[1:])))
        else:
            ends.append(begin + item * math.prod(shape))
    single = len(record_parts) == 1  # then records are packed without padding
    record_size = sum(size if single else _padded(size) for _, size in record_parts)
    if records:
        ends += [begin + (records - 1) * record_size + size for begin, size in record_parts]
    return max(ends)


def _padded(size: int) -> int:
    """Round up to the next multiple of 4."""
    return (size + 3) // 4 * 4
