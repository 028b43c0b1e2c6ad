"""Take the fields of a GRIB 2 message apart: ecCodes reads the first one alone.

A message may repeat its sections 2 to 7, 3 to 7 or 4 to 7, one field each time: centres put the
two components of wind into one message.
Source: WMO Manual on Codes, FM 92-XIV GRIB edition 2, regulations 92.1 and code table 6.0.
"""

from collections.abc import Iterator

__all__ = ["num_fields", "single_field"]

_HEADER = 16  # octets of section 0
_END = b"7777"
_BITMAP, _DATA = 6, 7
_BITMAP_AS_BEFORE = 254


def num_fields(message: bytes) -> int:
    """Count the fields of a message; 1 for GRIB 1, and for one that ecCodes is to judge."""
    if message[7:8] != b"\x02":
        return 1
    return max(sum(number == _DATA for number, _ in _sections(message)), 1)


def single_field(message: bytes, field: int) -> bytes:
    """Give one field, counted from 0, as a message of its own."""
    latest: dict[int, bytes] = {}
    bitmap = b""
    found = -1
    for number, section in _sections(message):
        if number == _BITMAP and section[5] != _BITMAP_AS_BEFORE:
            bitmap = section
        latest[number] = bitmap if number == _BITMAP and bitmap else section
        if number == _DATA:
            found += 1
            if found == field:
                break
    else:
        raise IndexError(f"no field {field} among {found + 1}")
    body = b"".join(latest[number] for number in sorted(latest))
    size = _HEADER + len(body) + len(_END)
    return message[:8] + size.to_bytes(8, "big") + body + _END


def _sections(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Give number and content of each section; those that are damaged end it."""
    start = _HEADER
    while start + 5 <= len(message) - len(_END):
        size = int.from_bytes(message[start : start + 4], "big")
        if size < 5 or start + size > len(message) - len(_END):
            return
        yield message[start + 4], message[start : start + size]
        start += size
