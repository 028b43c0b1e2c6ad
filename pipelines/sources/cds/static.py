"""ERA5's static fields: one hour of the data set of single levels, where they stand at every hour.

Request, queue, download and manifest are those of months (`pipelines.sources.cds.acquisition`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from pipelines.fingerprint import fingerprint
from pipelines.formats.static_files import read_static_fields
from pipelines.period import Month
from pipelines.sources.cds.manifest import Manifest, Part, read_manifest
from pipelines.sources.cds.request import STATIC_NAMES, Area, CdsRequest, DataFormat

__all__ = ["STATIC_MONTH", "kept_static", "open_static", "static_request"]

STATIC_MONTH = Month(2000, 1)
"""Whose first hour is asked for; final, as all of that year."""


def static_request(
    names: Sequence[str], *, area: Area | None, data_format: DataFormat
) -> CdsRequest:
    """Give the one request for static fields."""
    return CdsRequest(
        month=STATIC_MONTH, level_kind="static",
        variables=tuple(sorted(STATIC_NAMES[name] for name in names)), levels=(), days=(1,),
        hours=(0,), area=area, data_format=data_format,
    )  # fmt: skip


def open_static(
    raw_folder: Path, names: Sequence[str], *, area: Area | None, data_format: DataFormat
) -> Manifest:
    """Give what is known of static fields; a new request is planned, and nothing is written.

    Raises:
        DataError: if the manifest is damaged.
    """
    corners = None if area is None else [area.north, area.west, area.south, area.east]
    folder = raw_folder / "cds" / f"static_{fingerprint(corners, sorted(names))}"
    request = static_request(names, area=area, data_format=data_format)
    return read_manifest(folder) or Manifest(folder, [Part(request)])


def kept_static(
    manifest: Manifest, names: Sequence[str]
) -> tuple[dict[str, xr.DataArray], list[dict[str, Any]]]:
    """Read the files that were received; give also what they are.

    Raises:
        DataError: if a file is another than was received.
    """
    fields: dict[str, xr.DataArray] = {}
    files = []
    for path, file in manifest.received_files(what="fields"):
        fields |= read_static_fields(path, names)
        files.append(file)
    return fields, files
