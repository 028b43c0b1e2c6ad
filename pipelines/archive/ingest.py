"""Bring an archive up to a period, month by month."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

import icechunk

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.month import MonthMaker
from pipelines.archive.plan import MonthPlan, WantedMonth, plan_month, plan_months
from pipelines.archive.shared_fields import SharedFields, UnlikeMonth, shared_months
from pipelines.archive.state import ArchiveState, state_of
from pipelines.archive.storage import S3Settings, open_repository, writing
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Month, Period
from pipelines.sources.source import Source, fetching

__all__ = ["bring_in_months", "ingest"]

_log = logging.getLogger(__name__)

_ATTEMPTS = 10  # a month, while other writers of an object store are faster


def ingest(
    source: Source,
    *,
    period: Period,
    fields: Mapping[str, tuple[int, ...]],
    grid: GridSettings,
    raw_folder: Path,
    path: str | Path,
    step_hours: int = 1,
    replace: bool = False,
    accept: Sequence[str] = (),
    s3: S3Settings | None = None,
) -> ArchiveState:
    """Bring an archive up to a period: fetch, regrid, verify and commit month by month.

    A month whose wanted hours the archive holds already is not fetched, so that a change in
    the source's files goes unnoticed. It is fetched after all with `replace`, and where the
    same source now has other settings. A fetched month whose files or values are the same as
    before changes nothing. Gaps are refused before anything is fetched.

    Sources with an attribution give the same real weather and may follow each other in one
    archive; what others make up depends on their settings, which must stay the same. Fields
    of a source that do not say which data it gives (keys, time limits) are declared
    `field(compare=False)` and left out here.

    Args:
        source: where months come from; a frozen dataclass.
        period: hours wanted; must start at the archive's start or join on to its end.
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).
        grid: the grid to keep them on.
        raw_folder: where the source keeps what it received.
        path: the archive's folder, or `s3://bucket/prefix` as text; made where it is not.
        step_hours: time step [h]; of a source with more hours, every so many are taken, from
            hour 00 on.
        replace: fetch months that the archive already holds, too.
        accept: what is archived although weather does not do it, as `tp:zero_fields` (see
            `pipelines.fields.implausible`).
        s3: how to reach object storage; None as the environment says.

    Returns:
        The archive's state afterwards.

    Raises:
        ValueError: if the time step does not divide a day.
        DataError: if the period has no hour of the step, a month is not what it must be, does
            not join on to the archive, or the archive was made with other settings, or another
            process is writing to it.
    """
    maker = MonthMaker(source, fields, grid, raw_folder, step_hours, tuple(accept))
    hours = {month: period.hours_in(month, step_hours) for month in period.months()}
    wanted = [
        WantedMonth(m, of_month, again=replace) for m, of_month in hours.items() if len(of_month)
    ]
    if not wanted:
        raise DataError(
            f"period {period} has none of the hours {step_hours} h apart from hour 00 on; expected "
            "a longer one"
        )
    complete = _complete(maker, wanted, path, s3)
    if complete is not None:
        return complete
    with writing(path, s3=s3) as repository:
        bring_in_months(repository, maker, wanted, beside=path)
        state = state_of(repository, path, s3=s3)
    assert state is not None
    return state


def bring_in_months(
    repository: icechunk.Repository,
    maker: MonthMaker,
    wanted: Sequence[WantedMonth],
    *,
    beside: str | Path | None = None,
) -> None:
    """Bring months, in order, into an archive that is open for writing.

    Args:
        repository: the archive.
        maker: how its months are made.
        wanted: the months.
        beside: the archive's own place, to copy what archives beside it hold already (see
            `pipelines.archive.shared_fields`); None to fetch everything.

    Raises:
        DataError: as `ingest`.
    """
    needed = _needed(repository, maker, wanted)
    shared = {} if beside is None else _shared(maker, beside, needed)
    while True:
        try:
            _bring_in_all(repository, maker, needed, shared)
            return
        except UnlikeMonth as error:
            _log.warning("%s; all fields of this month are fetched", error)
            del shared[error.month]


def _complete(
    maker: MonthMaker, wanted: Sequence[WantedMonth], path: str | Path, s3: S3Settings | None
) -> ArchiveState | None:
    """Give the state of an archive that lacks nothing; whoever only looks needs no lock."""
    repository = open_repository(path, create=False, s3=s3)
    if repository is None or _needed(repository, maker, wanted):
        return None
    return state_of(repository, path, s3=s3)


def _needed(
    repository: icechunk.Repository, maker: MonthMaker, wanted: Sequence[WantedMonth]
) -> list[tuple[WantedMonth, MonthPlan]]:
    """Give the months to fetch, each with what is to be done, as the archive is now."""
    archived = ArchiveContents.read(repository)
    maker.check_settings(archived)
    plans = plan_months(wanted, archived.hours, step_hours=maker.step_hours)
    return [
        (month, plan)
        for month, plan in zip(wanted, plans, strict=True)
        if plan.action != "none" or _must_fetch(maker, archived, month)
    ]


def _shared(
    maker: MonthMaker, path: str | Path, needed: Sequence[tuple[WantedMonth, MonthPlan]]
) -> dict[Month, SharedFields]:
    """Find what need not be fetched of months that the archive does not hold yet."""
    hours = {
        month.month: plan.hours
        for month, plan in needed
        if plan.action != "none" and not month.again and month.received_after is None
    }
    if not hours:
        return {}
    return shared_months(
        path, source=maker.source, settings=maker.settings, fields=maker.fields, hours=hours
    )


def _bring_in_all(
    repository: icechunk.Repository,
    maker: MonthMaker,
    needed: Sequence[tuple[WantedMonth, MonthPlan]],
    shared: Mapping[Month, SharedFields],
) -> None:
    """Bring months in; the source works ahead on those in a row that lack the same fields."""
    months = [
        (month, maker.request(month, plan.hours, shared.get(month.month))) for month, plan in needed
    ]
    for _, together in groupby(months, key=lambda pair: pair[1] and pair[1].fields):
        run = list(together)
        requests = [request for _, request in run if request is not None]
        with fetching(maker.source, requests, maker.raw_folder) if requests else nullcontext():
            for month, _ in run:
                _bring_in(repository, maker, month, shared.get(month.month))


def _must_fetch(maker: MonthMaker, archived: ArchiveContents, month: WantedMonth) -> bool:
    """Tell whether a month that the archive holds is fetched all the same."""
    return month.again or maker.is_outdated(archived.records[str(month.month)])


def _bring_in(
    repository: icechunk.Repository,
    maker: MonthMaker,
    wanted: WantedMonth,
    shared: SharedFields | None,
) -> None:
    """Bring one month in; start it anew where another writer of an object store was faster."""
    for _ in range(_ATTEMPTS):
        archived = ArchiveContents.read(repository)
        maker.check_settings(archived)
        plan = plan_month(wanted, archived.hours, step_hours=maker.step_hours)
        if plan.action == "none" and not _must_fetch(maker, archived, wanted):
            return
        try:
            maker.bring_in(repository, archived, wanted, plan, shared)
        except icechunk.ConflictError:
            _log.warning(
                "%s: another process has written to the archive meanwhile; once more from its "
                "newest snapshot", wanted.month,
            )  # fmt: skip
        else:
            return
    raise DataError(
        f"{wanted.month}: other processes have written to the archive {_ATTEMPTS} times while "
        "this one tried to; run again when they have finished"
    )
