"""Answer for a result's file: whole, in ranges, or as a fault wants it."""

import hashlib
import random
import re
from collections.abc import Sequence

from tests.climate_data_store.faults import LASTING_FILE_KINDS, Fault
from tests.climate_data_store.http_calls import Answer, Call

__all__ = ["damaged_grib", "describe", "transfer"]

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PAGE = b"<!DOCTYPE html><html><body><h1>Service temporarily unavailable</h1></body></html>\n"


def describe(content: bytes, *, content_type: str, ranges: bool) -> Answer:
    """Answer HEAD."""
    headers = {"Content-Type": content_type, "ETag": _etag(content)}
    if ranges:
        headers["Accept-Ranges"] = "bytes"
    return Answer(200, b"", headers, length=len(content))


def transfer(
    call: Call, content: bytes, *, content_type: str, faults: Sequence[tuple[Fault, int]]
) -> Answer:
    """Answer GET.

    Args:
        call: may ask for a range, on condition of an ETag (If-Range).
        content: the object.
        content_type: its media type.
        faults: those that strike this transfer, each with how often it has struck, now
            included.
    """
    kinds = {fault.kind for fault, _ in faults}
    answer = describe(content, content_type=content_type, ranges="no_ranges" not in kinds)
    answer.length = None
    answer.body = content
    if kinds.isdisjoint(LASTING_FILE_KINDS):
        _cut_to_range(answer, call, content)
    for fault, struck in faults:
        _strike(answer, fault, struck)
    return answer


def damaged_grib(content: bytes, *, part: str) -> bytes:
    """Overwrite a piece of the middle message of a GRIB file, or of any file's middle.

    Args:
        content: the file.
        part: `reference` (the message's smallest value becomes huge) or `data`.
    """
    damaged = bytearray(content)
    if content[:4] != b"GRIB":
        middle = len(content) // 2
        damaged[middle : middle + 16] = b"\xff" * len(damaged[middle : middle + 16])
        return bytes(damaged)
    starts = [0]
    while (end := starts[-1] + _number(content, starts[-1] + 4)) < len(content):
        starts.append(end)
    start = starts[len(starts) // 2]
    data = start + 8 + _number(content, start + 8)
    flags = content[start + 15]
    for flag in (0x80, 0x40):  # a grid section, a bitmap
        if flags & flag:
            data += _number(content, data)
    # Octets of section 4: 1-3 length, 5-6 scale, 7-10 reference value, from 12 packed values.
    first, count = (6, 1) if part == "reference" else (11, 2)
    # An exponent of 16: the value is far out of any range, and still a float32.
    damaged[data + first : data + first + count] = b"\x50" if count == 1 else b"\xff\xff"
    return bytes(damaged)


def _number(content: bytes, offset: int) -> int:
    """Read three octets."""
    return int.from_bytes(content[offset : offset + 3], "big")


def _cut_to_range(answer: Answer, call: Call, content: bytes) -> None:
    match = _RANGE.fullmatch(call.headers.get("range", ""))
    if match is None or call.headers.get("if-range", _etag(content)) != _etag(content):
        return
    first = int(match[1])
    last = min(int(match[2] or len(content)), len(content) - 1)
    if first > last:
        answer.status, answer.body = 416, b""
        answer.headers["Content-Range"] = f"bytes */{len(content)}"
        return
    answer.status, answer.body = 206, content[first : last + 1]
    answer.headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"


def _strike(answer: Answer, fault: Fault, struck: int) -> None:
    """Change the answer as a fault of the transfer wants it."""
    size = len(answer.body)
    kind, details = fault.kind, fault.details
    is_cut = kind in ("cut_once_at", "cut_always", "changed")
    if is_cut or (kind in LASTING_FILE_KINDS and struck == 1 and "bytes" in details):
        answer.send_only = max(0, min(details.get("bytes", size // 2), size - 1))
    elif kind == "short":
        answer.body = answer.body[: max(0, size - details.get("missing", 100))]
    elif kind == "empty":
        answer.body = b""
    elif kind == "garbage":
        answer.body = random.Random(size).randbytes(size)
    elif kind == "bit_flip":
        answer.body = damaged_grib(answer.body, part=details.get("part", "reference"))
    elif kind == "html":
        answer.status, answer.body = 200, _PAGE
        answer.headers = {"Content-Type": "text/html"}
    elif kind == "slow":
        answer.bytes_per_second = details.get("bytes_per_second")


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
