"""Where a month's files lie, and whether what lies there is good enough."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipelines.fingerprint import fingerprint
from pipelines.sources.cds.manifest import Manifest, Part, read_manifest
from pipelines.sources.cds.plan import plan_month
from pipelines.sources.cds.request import Area, DataFormat
from pipelines.sources.source import MonthRequest

__all__ = ["is_received", "month_folder", "open_month", "series_folder"]


def series_folder(
    raw_folder: Path, *, area: Area | None, fields: Mapping[str, Sequence[int]]
) -> Path:
    """Name the folder of all months with the same area and fields."""
    corners = None if area is None else [area.north, area.west, area.south, area.east]
    wanted = {name: sorted(levels) for name, levels in fields.items()}
    return raw_folder / "cds" / fingerprint(corners, wanted)


def month_folder(series: Path, request: MonthRequest) -> Path:
    """Name a month's folder; a part of a month has its hours in the name."""
    if len(request.hours) == len(request.month.hours()):
        return series / str(request.month)
    first, last = (str(hour) for hour in request.hours[[0, -1]])
    return series / f"{request.month}_{first[8:]}_{last[8:]}"


def open_month(
    series: Path, request: MonthRequest, *, area: Area | None, data_format: DataFormat
) -> Manifest:
    """Give what is known of a month; a new month is planned, a stale answer planned anew.

    Raises:
        DataError: if the manifest is damaged.
    """
    folder = month_folder(series, request)
    manifest = read_manifest(folder)
    if manifest is None:
        requests = plan_month(request, area=area, data_format=data_format)
        return Manifest(folder, [Part(part) for part in requests])
    for part in manifest.parts:
        if part.state == "received" and not is_received(part, request):
            # The service remembers its answers: only another request brings a new one. The
            # same stale answer is asked for once, however often this is interrupted.
            manifest.put(part.anew(nocache=str(request.received_after), trouble=None))
    return manifest


def is_received(part: Part, request: MonthRequest) -> bool:
    """Tell whether a part's file is there, and recent enough for a request."""
    received = part.moment("received")
    if part.state != "received" or received is None:
        return False
    if request.received_after is None:
        return True
    moment = np.datetime64(received.replace(tzinfo=None), "ms")
    return bool(moment >= request.received_after)
