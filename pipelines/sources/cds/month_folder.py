"""Where a month's files lie, and whether what lies there is good enough."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint
from pipelines.sources.cds.manifest import Manifest, Part, now, read_manifest
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
    """Name a month's folder; a part of a month has its hours in the name, and so has a step."""
    hours = request.hours.astype("datetime64[h]")
    steps = np.unique(np.diff(hours).astype(np.int64))
    if len(steps) > 1:
        return series / f"{request.month}_{fingerprint([str(hour) for hour in hours])}"
    step = int(steps[0]) if len(steps) else 1
    every = "" if step == 1 else f"_{step}h"
    if 24 % step == 0 and len(hours) == len(request.month.hours(step)):
        return series / f"{request.month}{every}"
    first, last = (str(hour) for hour in hours[[0, -1]])
    return series / f"{request.month}_{first[8:]}_{last[8:]}{every}"


def open_month(
    series: Path, request: MonthRequest, *, area: Area | None, data_format: DataFormat
) -> Manifest:
    """Give what is known of a month; a new month is planned, a stale answer planned anew.

    The service remembers its answers: only another request brings a new one. Its mark is the
    wanted moment, so that the same answer is asked for once, however often this is interrupted.
    Nothing is written here.

    Raises:
        DataError: if the manifest is damaged, or the wanted moment is yet to come.
    """
    if request.received_after is not None and request.received_after > _in_numpy(now()):
        raise DataError(
            f"copies received after {request.received_after} (UTC) are wanted, which is yet to "
            f"come: it is {_in_numpy(now())}; expected a moment that has passed"
        )
    folder = month_folder(series, request)
    manifest = read_manifest(folder)
    nocache = None if request.received_after is None else str(request.received_after)
    if manifest is None:
        requests = plan_month(request, area=area, data_format=data_format)
        return Manifest(folder, [Part(part, nocache=nocache) for part in requests])
    parts = [
        part.anew(nocache=nocache, trouble=None) if _is_stale(part, request) else part
        for part in manifest.parts
    ]
    return Manifest(folder, parts)


def _is_stale(part: Part, request: MonthRequest) -> bool:
    """Tell whether what is there, or on its way, was asked for too early to be wanted."""
    if part.state == "received":
        return not is_received(part, request)
    if request.received_after is None:
        return False
    asked = part.moment("intended")
    if asked is None:
        return part.nocache is None
    return bool(_in_numpy(asked) < request.received_after)


def is_received(part: Part, request: MonthRequest) -> bool:
    """Tell whether a part's file is there, and recent enough for a request."""
    received = part.moment("received")
    if part.state != "received" or received is None:
        return False
    if request.received_after is None:
        return True
    return bool(_in_numpy(received) >= request.received_after)


def _in_numpy(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "ms")
