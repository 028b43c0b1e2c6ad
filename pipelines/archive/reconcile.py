"""Fetch the months again that an archive holds in preliminary form, and replace them.

ERA5 comes as ERA5T (experiment version 0005) within days and as the final release (0001) two
to three months later.
Source: ECMWF, ERA5 data documentation, "Data update frequency",
https://confluence.ecmwf.int/display/CKB/ERA5%3A+data+documentation.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.ingest import bring_in_months
from pipelines.archive.month import MonthMaker
from pipelines.archive.plan import WantedMonth
from pipelines.archive.state import ArchiveState, state_of
from pipelines.archive.storage import S3Settings, writing
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Month
from pipelines.sources.source import Source

__all__ = ["PRELIMINARY", "preliminary_months", "reconcile"]

PRELIMINARY = "0005"
"""Experiment version of ERA5T."""

_log = logging.getLogger(__name__)


def reconcile(
    source: Source,
    *,
    fields: Mapping[str, tuple[int, ...]],
    grid: GridSettings,
    raw_folder: Path,
    path: str | Path,
    step_hours: int = 1,
    received_after: np.datetime64 | None = None,
    choose: Callable[[list[Month]], list[Month]] = list,
    accept: Sequence[str] = (),
    s3: S3Settings | None = None,
) -> ArchiveState:
    """Fetch months with preliminary hours again, and replace them where they have changed.

    A month that comes back as it was, still preliminary, changes nothing.

    Args:
        source: where months come from; a frozen dataclass.
        fields: CDS long name -> pressure levels [hPa] that the archive was made with.
        grid: the grid that the archive was made with.
        raw_folder: where the source keeps what it received.
        path: the archive's folder, or `s3://bucket/prefix` as text.
        step_hours: time step that the archive was made with [h].
        received_after: copies that the source received before this moment (UTC) are fetched
            anew; None for now.
        choose: given all months with preliminary hours, those to fetch; by default all.
        accept: what is archived although weather does not do it, as `tp:zero_fields` (see
            `pipelines.fields.implausible`).
        s3: how to reach object storage; None as the environment says.

    Returns:
        The archive's state afterwards.

    Raises:
        DataError: if there is no archive, or as `pipelines.archive.ingest.ingest`.
    """
    maker = MonthMaker(source, fields, grid, raw_folder, step_hours, tuple(accept))
    if received_after is None:
        received_after = np.datetime64("now", "s")
    with writing(path, s3=s3) as repository:
        archived = ArchiveContents.read(repository)
        preliminary = preliminary_months(archived)
        months = choose(preliminary)
        _log.info(
            "%d months hold preliminary hours; %d are fetched again", len(preliminary), len(months)
        )
        wanted = [WantedMonth(m, archived.held(m), True, received_after) for m in months]
        bring_in_months(repository, maker, wanted)
        state = state_of(repository, path, s3=s3)
    if state is None:
        raise DataError(f"found no archive at {path}; expected one with at least one month")
    return state


def preliminary_months(archived: ArchiveContents) -> list[Month]:
    """Give the months that hold hours of ERA5T, in order."""
    return [
        Month.parse(month)
        for month, record in sorted(archived.records.items())
        if record["expver"].get(PRELIMINARY, 0) > 0
    ]
