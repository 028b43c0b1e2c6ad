"""What a source is asked for, or was, so that an archive holds certain months."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.month import MonthMaker
from pipelines.archive.plan import WantedMonth
from pipelines.archive.reconcile import PRELIMINARY
from pipelines.archive.shared_fields import Fields, shared_months, without
from pipelines.archive.storage import open_repository
from pipelines.fields.derived import source_fields
from pipelines.period import Month
from pipelines.sources.source import MonthRequest

__all__ = ["month_requests"]


def month_requests(
    maker: MonthMaker,
    wanted: Sequence[WantedMonth],
    *,
    path: str | Path,
    reconcile: bool = False,
) -> list[MonthRequest]:
    """Give each month's request: before, while and after it is brought in, the same one.

    What the archive beside this one gives is not asked for: of a month that is still to come,
    what would be copied; of one that is there, what its record says was. A month that proves
    unlike what was to be copied (see `UnlikeMonth`) is told by its record alone, afterwards.

    Args:
        maker: how the months are made.
        wanted: the months.
        path: the archive; it need not be there yet.
        reconcile: whether months with preliminary hours are fetched again.

    Returns:
        A request a month, with the hours that the archive will hold of it; one without fields
        where all of them are copied.

    Raises:
        DataError: if the archive was made by an older version.
    """
    repository = open_repository(path, create=False)
    archived = None if repository is None else ArchiveContents.read(repository)
    hours: dict[Month, np.ndarray] = {}
    copied: dict[Month, Fields] = {}
    new: dict[Month, np.ndarray] = {}
    for month in wanted:
        held = month.hours[:0] if archived is None else archived.held(month.month)
        hours[month.month] = np.union1d(held, month.hours)
        record = None if archived is None else archived.records.get(str(month.month))
        if month.again or (record is not None and maker.is_outdated(record)):
            continue
        if record is None or len(held) < len(hours[month.month]):
            new[month.month] = hours[month.month]
        elif "copied" in record and not (reconcile and record["expver"].get(PRELIMINARY, 0)):
            copied[month.month] = record["copied"]["fields"]
    shared = shared_months(
        path, source=maker.source, settings=maker.settings, fields=maker.fields, hours=new
    )
    copied |= {month: of_month.fields for month, of_month in shared.items()}
    return [
        MonthRequest(month, of_month, source_fields(without(maker.fields, copied.get(month, {}))))
        for month, of_month in hours.items()
    ]
