"""The file of a part: checked under a temporary name, then given its own."""

import os
from pathlib import Path
from typing import Any

from pipelines.fingerprint import file_sha256
from pipelines.formats.file_format import file_format
from pipelines.sources.cds.check_reply import check_reply
from pipelines.sources.cds.request import CdsRequest

__all__ = ["SUFFIXES", "checked_file", "put_in_place"]

SUFFIXES = {"grib": ".grib", "netcdf": ".nc", "zip": ".zip"}


def checked_file(temporary: Path, request: CdsRequest) -> dict[str, Any]:
    """Check a file against its request, and make sure that it is on the disk.

    Returns:
        Its future name, size, sha256, and `expver`: version -> number of hours.

    Raises:
        NotReleased: if hours at the end are missing.
        DataError: if it is not what was asked for.
    """
    expver = check_reply(temporary, request)
    kind = file_format(temporary)
    assert kind is not None  # it was decoded
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    return {
        "name": request.key + SUFFIXES[kind],
        "size": temporary.stat().st_size,
        "sha256": file_sha256(temporary),
        "expver": expver,
    }


def put_in_place(temporary: Path, final: Path, sha256: str) -> bool:
    """Give a checked file its name, or find that an interrupted run has done so.

    Returns:
        False if neither name has the file.
    """
    if temporary.exists() and file_sha256(temporary) == sha256:
        os.replace(temporary, final)
    elif not final.exists() or file_sha256(final) != sha256:
        return False
    for suffix in set(SUFFIXES.values()) - {final.suffix}:  # an earlier answer's format
        final.with_suffix(suffix).unlink(missing_ok=True)
    return True
