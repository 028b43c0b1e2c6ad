"""Verify a whole archive again: structure, records, and every value of every chunk."""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dask
import icechunk
import numpy as np
import xarray as xr

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.layout import open_hours
from pipelines.archive.state import existing_repository, open_snapshot
from pipelines.archive.storage import BRANCH, S3Settings, cause_of
from pipelines.errors import DataError
from pipelines.fields.verify_month import check_content, check_structure
from pipelines.fingerprint import fingerprint
from pipelines.period import Month

__all__ = ["DAMAGE", "Finding", "check_archive", "check_month", "is_sound"]

_log = logging.getLogger(__name__)

DAMAGE = (icechunk.IcechunkError, RuntimeError, ValueError, OSError)
"""What damaged chunks and manifests raise: Icechunk's own errors, and the decompressor's."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be.

    Attributes:
        month: the month, as `2016-01`, or None where it concerns the whole archive.
        variable: the variable, or None where it concerns all.
        problem: what was found and what was expected.
    """

    month: str | None
    variable: str | None
    problem: str

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.month, self.variable)))
        return f"{where}: {self.problem}" if where else self.problem


def check_archive(
    path: str | Path, *, snapshot_id: str | None = None, s3: S3Settings | None = None
) -> list[Finding]:
    """Verify a state of an archive as if every month had just been written.

    Reads everything, a month and a variable at a time. Chunks carry checksums: a damaged one
    is told from weather.

    Args:
        path: the archive's folder, or `s3://bucket/prefix` as text.
        snapshot_id: the state; None for the newest.
        s3: how to reach object storage; None as the environment says.

    Returns:
        What is wrong; empty for a sound archive.

    Raises:
        DataError: if there is no archive, or no such state.
    """
    repository = existing_repository(path, s3=s3)
    snapshot_id = snapshot_id or repository.lookup_branch(BRANCH)
    open_snapshot(repository, path, snapshot_id)  # refuses an unknown one by name
    try:
        contents = ArchiveContents.read(repository, snapshot_id)
    except DAMAGE as error:
        return [Finding(None, None, f"hours or records cannot be read: {cause_of(error)}")]
    store = repository.readonly_session(snapshot_id=snapshot_id).store
    findings = [*_check_hours(contents), *_check_records(contents)]
    months = np.unique(contents.hours.astype("datetime64[M]"))
    for month in (Month.of(start) for start in months):
        findings += check_month(store, contents, month)
    _log.info("%s: %d months verified, %d findings", path, len(months), len(findings))
    return findings


def _check_hours(contents: ArchiveContents) -> Iterator[Finding]:
    """Check that hours follow each other, a time step apart, and start with a day."""
    hours, step = contents.hours, np.timedelta64(contents.step_hours, "h")
    expected = "the next hour" if contents.step_hours == 1 else f"the hour {step} later"
    for place in np.flatnonzero(np.diff(hours) != step):
        month = str(Month.of(hours[place + 1]))
        yield Finding(
            month, None, f"found {hours[place + 1]} after {hours[place]}; expected {expected}"
        )
    if hours[0] != hours[0].astype("datetime64[D]"):
        yield Finding(None, None, f"starts at {hours[0]}; expected hour 00 of a day")


def _check_records(contents: ArchiveContents) -> Iterator[Finding]:
    """Check that every month has its record, and no other."""
    held = set(np.unique(contents.hours.astype("datetime64[M]")).astype(str).tolist())
    for month in sorted(held - set(contents.records)):
        yield Finding(month, None, "found hours without a record; expected one a month")
    for month in sorted(set(contents.records) - held):
        yield Finding(month, None, "found a record without hours; expected the month's hours")
    settings = fingerprint(dict(contents.settings))
    for month, record in contents.records.items():
        if record["settings"] != settings:
            yield Finding(
                month, None, f"made with settings {record['settings']}; expected {settings}"
            )


def check_month(
    store: icechunk.IcechunkStore, contents: ArchiveContents, month: Month
) -> Iterator[Finding]:
    """Check one month against its record, and all its values.

    Args:
        store: of the snapshot.
        contents: what the snapshot holds.
        month: one of its months.
    """
    hours = contents.held(month)
    start = int(np.searchsorted(contents.hours, hours[0]))
    dataset = open_hours(store, start, start + len(hours))
    yield from _check_record(contents, dataset, hours, month)
    fields = {name: tuple(levels) for name, levels in contents.settings["fields"].items()}
    recorded = contents.records.get(str(month), {}).get("values", {})
    for name, levels in fields.items():
        if problem := _problem(dataset, hours, name, levels, contents, recorded):
            yield Finding(str(month), name, problem)


def is_sound(repository: icechunk.Repository, archived: ArchiveContents, month: Month) -> bool:
    """Tell whether a month that an archive holds can be read and is as its commit says."""
    store = repository.readonly_session(snapshot_id=archived.snapshot_id).store
    return not any(check_month(store, archived, month))


def _check_record(
    contents: ArchiveContents, dataset: xr.Dataset, hours: np.ndarray, month: Month
) -> Iterator[Finding]:
    """Compare what the month's commit said with what is there."""
    record = contents.records.get(str(month))
    if record is None:
        return
    found = {
        "first_hour": str(hours[0]),
        "last_hour": str(hours[-1]),
        "is_partial": len(hours) < len(month.hours(contents.step_hours)),
        "expver": dict(Counter(dataset["expver"].values.tolist())),
    }
    for key, value in found.items():
        if record[key] != value:
            yield Finding(
                str(month), None,
                f"found {key} {json.dumps(value)}; expected {json.dumps(record[key])}, as its "
                "commit says",
            )  # fmt: skip


def _problem(
    dataset: xr.Dataset,
    hours: np.ndarray,
    name: str,
    levels: Sequence[int],
    contents: ArchiveContents,
    recorded: Mapping[str, str],
) -> str | None:
    """Say what is wrong with a month of one variable, or None."""
    fields = {name: levels}
    try:
        check_structure(dataset, hours=hours, fields=fields, grid=contents.grid)
        with dask.config.set(scheduler="threads"):
            values = check_content(dataset, fields)
    except DataError as error:
        return str(error)
    except DAMAGE as error:
        return f"cannot be read: {cause_of(error)}"
    # Months archived before values were recorded have none to compare with.
    other = [key for key, value in values.items() if recorded.get(key, value) != value]
    return f"found other values of {', '.join(other)} than its commit recorded" if other else None
