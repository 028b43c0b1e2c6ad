"""Bring one month into an archive: fetch, derive, regrid, write, verify, commit.

A month enters only as a whole: it is written in a session, read back and verified, and then
committed. Whatever fails before leaves the archive's newest snapshot as it was.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dask
import icechunk
import numpy as np
import xarray as xr

from met2net.data.variable_definitions import DEFINITIONS, definitions_of
from pipelines.archive.change import change_since
from pipelines.archive.check import is_sound
from pipelines.archive.contents import ArchiveContents, write_record
from pipelines.archive.layout import open_hours, to_layout, write_month
from pipelines.archive.month_record import content_name, month_number, month_record
from pipelines.archive.plan import MonthPlan, WantedMonth
from pipelines.archive.same_mask import check_same_mask
from pipelines.archive.shared_fields import SharedFields, without_shared
from pipelines.archive.step import STEP_SETTING
from pipelines.archive.storage import BRANCH
from pipelines.archive.usual_means import find_unusual
from pipelines.errors import DataError
from pipelines.fields.derived import add_derived, source_fields
from pipelines.fields.implausible import Finding, check_accept, refuse_unless_accepted
from pipelines.fields.plausible_in_kind import find_implausible
from pipelines.fields.regrid import regrid, used_points
from pipelines.fields.source_watch import SourceWatch
from pipelines.fields.target_grids import GridSettings
from pipelines.fields.verify_month import HourlyContent, check_structure, read_content
from pipelines.fingerprint import counted_fields, fingerprint, to_plain
from pipelines.period import check_step_hours
from pipelines.sources.source import MonthRequest, RawMonth, Source, name_files

__all__ = ["MonthMaker"]

_log = logging.getLogger(__name__)

_DEFAULTS: dict[str, Any] = {STEP_SETTING: 1, DEFINITIONS: {}}
"""What settings mean that an archive does not name."""


@dataclass(frozen=True)
class MonthMaker:
    """How the months of an archive are made.

    Attributes:
        source: where months come from; a frozen dataclass.
        fields: CDS long name -> pressure levels [hPa], sorted (empty for surface variables).
        grid: the grid to keep them on.
        raw_folder: where the source keeps what it received.
        step_hours: time step [h].
        accept: what is archived although weather does not do it, as `tp:zero_fields` (see
            `pipelines.fields.implausible`); each month's record tells what was.
    """

    source: Source
    fields: Mapping[str, tuple[int, ...]]
    grid: GridSettings
    raw_folder: Path
    step_hours: int = 1
    accept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an archive of nothing, a step that does not divide a day, wrong `accept`."""
        check_step_hours(self.step_hours)
        object.__setattr__(self, "accept", check_accept(self.accept))
        if not self.fields:
            raise DataError("no fields are asked for; expected at least one variable")
        fields = {name: tuple(sorted(levels)) for name, levels in self.fields.items()}
        object.__setattr__(self, "fields", fields)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What must stay the same in one archive, as plain values.

        The time step and variables of somebody's own only where there are any: so an hourly
        archive of ERA5's variables is what it was before either was known.
        """
        own = definitions_of(self.fields)
        plain: dict[str, Any] = to_plain(
            {"weather": self._weather, "grid": self.grid, "fields": self.fields}
            | ({STEP_SETTING: self.step_hours} if self.step_hours != 1 else {})
            | ({DEFINITIONS: own} if own else {})
        )
        return plain

    def check_settings(self, archived: ArchiveContents) -> None:
        """Refuse to go on with other settings than the archive was made with.

        Raises:
            DataError: naming both.
        """
        if not archived.settings:
            return
        for name in {**archived.settings, **self.settings}:
            made_with, found = (
                settings.get(name, _DEFAULTS.get(name)) for settings in (archived.settings,
                                                                         self.settings)
            )  # fmt: skip
            if made_with != found:
                raise DataError(
                    f"the archive was made with {name} {json.dumps(made_with)}; found "
                    f"{json.dumps(found)}. Other settings need an archive of "
                    "their own, under another path"
                )

    def is_outdated(self, record: Mapping[str, Any]) -> bool:
        """Tell whether the same source, with other settings, made a month."""
        return bool(
            record["source"] == self.source.name
            and record["source_settings"] != fingerprint(self._identity)
        )

    def request(
        self, wanted: WantedMonth, hours: np.ndarray, shared: SharedFields | None = None
    ) -> MonthRequest | None:
        """Say what to fetch for some hours of a month; None where all of it is shared."""
        fields = without_shared(self.fields, shared)
        if not fields:
            return None
        return MonthRequest(
            wanted.month, hours, source_fields(fields), wanted.received_after, wanted.again
        )

    def bring_in(
        self,
        repository: icechunk.Repository,
        archived: ArchiveContents,
        wanted: WantedMonth,
        plan: MonthPlan,
        shared: SharedFields | None = None,
    ) -> None:
        """Fetch, write, verify and commit one month, unless it is the same as before.

        Args:
            repository: the archive, open for writing.
            archived: what it holds.
            wanted: the month.
            plan: how it joins on.
            shared: fields of it that another archive holds and that are not fetched.

        Raises:
            DataError: if the month is not what it must be, naming source, month and files.
            UnlikeMonth: if what was fetched does not belong to what is shared; nothing was
                committed.
            icechunk.ConflictError: if another writer has changed the archive since it was
                read; nothing was committed.
        """
        request = self.request(wanted, plan.hours, shared)
        raw = None if request is None else self.source.fetch(request, self.raw_folder)
        manifest: Mapping[str, Any] = {"source": self.source.name} if raw is None else raw.manifest
        content = content_name(manifest, shared)
        if plan.action == "none" and archived.records[str(wanted.month)]["content"] == content:
            if is_sound(repository, archived, wanted.month):
                _log.info("%s: files unchanged since it was archived", wanted.month)
                return
            _log.warning("%s: damaged in the archive; written again", wanted.month)
        session = repository.writable_session(BRANCH)
        if session.snapshot_id != archived.snapshot_id:
            raise icechunk.ConflictError(archived.snapshot_id, session.snapshot_id)
        where = f"{self.source.name}, {wanted.month}"
        if names := [file["name"] for file in manifest.get("files", [])]:
            where += f", from {name_files(names)}"
        try:
            # A distributed client cannot write through this session: threads do.
            with dask.config.set(scheduler="threads"):
                month, watched = self._make(raw, shared)
                written, contents, findings = self._write(session, month, archived, plan)
                change = change_since(repository, archived, written, month=wanted.month)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if plan.action == "none" and change is not None and change.is_none:
            _log.info("%s: other files, the same values: nothing to replace", wanted.month)
            return
        record = month_record(
            wanted.month, plan, source=self.source, settings=self.settings,
            step_hours=self.step_hours, manifest=manifest, shared=shared, contents=contents,
            expver=written["expver"].values, change=change,
        )  # fmt: skip
        findings = [*watched(), *findings, *find_unusual(archived.records, record)]
        try:
            record["accepted"] = refuse_unless_accepted(findings, self.accept)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        for text in record["accepted"]:
            _log.warning("%s: accepted %s", wanted.month, text)
        write_record(session, record, position=month_number(archived, plan))
        session.commit(
            f"{record['action']} {wanted.month} from {self.source.name}", metadata=record
        )
        _log.info(
            "%s: %s, %d hours from %s",
            wanted.month, record["action"], len(plan.hours), self.source.name,
        )  # fmt: skip

    def _make(
        self, raw: RawMonth | None, shared: SharedFields | None
    ) -> tuple[xr.Dataset, Callable[[], Iterable[Finding]]]:
        """Bring a month to the grid, lazily; once it was read, tell what was odd in the source."""
        month, watch = None, None
        if raw is not None:
            watch = SourceWatch(*used_points(raw.dataset, self.grid), step_hours=self.step_hours)
            fields = without_shared(self.fields, shared)
            month = regrid(add_derived(watch.watch(raw.dataset), fields), self.grid)
        if shared is not None:
            month = shared.joined_with(month)
        assert month is not None  # what is not shared was fetched
        return month, lambda: [] if watch is None else watch.findings()

    def _write(
        self,
        session: icechunk.Session,
        month: xr.Dataset,
        archived: ArchiveContents,
        plan: MonthPlan,
    ) -> tuple[xr.Dataset, dict[str, HourlyContent], list[Finding]]:
        """Write a month at its place; verify what can be read back, and tell what is odd in it."""
        check_structure(month, hours=plan.hours, fields=self.fields, grid=archived.grid)
        month = to_layout(month, self.fields, self.source, self.settings)
        write_month(session, month, start=plan.start, num_archived=len(archived.hours))
        written = open_hours(session.store, plan.start, plan.start + len(plan.hours))
        contents = read_content(written, self.fields)
        check_same_mask(session.store, written, self.fields, plan, len(archived.hours))
        implausible = find_implausible(written, self.fields, contents, step_hours=self.step_hours)
        return written, contents, list(implausible)

    @property
    def _identity(self) -> dict[str, Any]:
        """Settings of the source that say which data it gives."""
        return counted_fields(self.source)

    @property
    def _weather(self) -> Any:
        """What must stay the same in one archive: real weather, or one simulation."""
        if self.source.attribution is not None:
            return "observed"
        return {"source": self.source.name, **self._identity}
