"""Look after an archive: its history, a check of every value, export, and expiry."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from prefect import flow
from rich import filesize
from rich.console import Console
from rich.table import Table

from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.settings.compose import resolve
from flows.settings.config_error import ConfigError, refusing_wrong_settings
from pipelines.archive.check import check_archive
from pipelines.archive.expiry import ExpiryRule, expire_snapshots, expiring_snapshots
from pipelines.archive.export import export_zarr
from pipelines.archive.history import HISTORY_COLUMNS, history_table
from pipelines.archive.state import current_state
from pipelines.errors import DataError

__all__ = ["ArchiveSettings", "archive"]

Action = Literal["history", "check", "export", "expire"]


@dataclass(frozen=True)
class ArchiveSettings:
    """What to do with which archive.

    Attributes:
        archive: folder, or `s3://bucket/prefix/name`.
        snapshot: the state that is checked or exported; None for the newest.
        target: folder that an export makes.
        rule: which states an expiry keeps.
        dry_run: whether an expiry only lists.
    """

    archive: str
    action: Action
    snapshot: str | None
    target: Path | None
    rule: ExpiryRule | None
    dry_run: bool

    def __post_init__(self) -> None:
        """Check what the action needs."""
        if self.action not in get_args(Action):
            choices = ", ".join(get_args(Action))
            raise ValueError(f"action is {self.action!r}; expected one of: {choices}")
        if self.action == "export" and self.target is None:
            raise ValueError("target is null; expected the folder that action=export makes")
        if self.action == "expire" and self.rule is None:
            raise ValueError("keep_days and keep_newest are null; expected one for action=expire")


@flow(name="archive", flow_run_name=run_name, validate_parameters=False)
def archive(overrides: list[str]) -> None:
    """Show, check, export or thin out an archive.

    Args:
        overrides: Hydra overrides, as `["action=check", "archive=workspace/archive/..."]`.

    Raises:
        DataError: if a setting is wrong, there is no archive, or a check finds something.
    """
    settings = _load(overrides)
    console = result_console()
    console.print(f"[bold]Archive[/bold] {settings.archive}", soft_wrap=True)
    if settings.action == "history":
        _show_history(settings, console)
    elif settings.action == "check":
        _check(settings, console)
    elif settings.action == "export":
        assert settings.target is not None
        export_zarr(settings.archive, settings.target, snapshot_id=settings.snapshot)
        console.print(f"written to {settings.target}", soft_wrap=True)
    else:
        _expire(settings, console)


def _show_history(settings: ArchiveSettings, console: Console) -> None:
    table = _table(*(name.capitalize() for name in HISTORY_COLUMNS))
    for row in history_table(settings.archive):
        when = row["when"][:16].replace("T", " ")
        table.add_row(*({**row, "when": when}[name] for name in HISTORY_COLUMNS))
    console.print(table)


def _check(settings: ArchiveSettings, console: Console) -> None:
    findings = check_archive(settings.archive, snapshot_id=settings.snapshot)
    for finding in findings:
        console.print(str(finding), soft_wrap=True, markup=False)
    if findings:
        raise DataError(f"{settings.archive}: found {len(findings)} faults; expected none")
    console.print("every value is as it was written; no fault found")


def _expire(settings: ArchiveSettings, console: Console) -> None:
    assert settings.rule is not None
    now = datetime.now(UTC)
    going = expiring_snapshots(settings.archive, settings.rule, now=now)
    if going:
        table = _table("Snapshot", "Month", "Written (UTC)")
        for snapshot in going:
            written = f"{snapshot.written_at:%Y-%m-%d %H:%M}"
            table.add_row(snapshot.snapshot_id, snapshot.month, written)
        console.print(table)
    if settings.dry_run:
        console.print(f"{len(going)} states would go; dry_run=false removes them")
        return
    expiry = expire_snapshots(settings.archive, settings.rule, now=now)
    console.print(
        f"{len(expiry.snapshots)} states removed, {filesize.decimal(expiry.num_bytes)} freed"
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _load(overrides: list[str]) -> ArchiveSettings:
    """Compose and check the settings."""
    plain = resolve(overrides, config="archive")
    with refusing_wrong_settings():
        return ArchiveSettings(
            archive=plain["archive"] or _only_archive(Path(plain["workspace"]) / "archive"),
            action=plain["action"],
            snapshot=plain["snapshot"],
            target=None if plain["target"] is None else Path(plain["target"]),
            rule=_rule(plain),
            dry_run=bool(plain["dry_run"]),
        )


def _rule(plain: Mapping[str, Any]) -> ExpiryRule | None:
    if plain["keep_days"] is None and plain["keep_newest"] is None:
        return None
    return ExpiryRule(keep_days=plain["keep_days"], keep_newest=plain["keep_newest"])


def _only_archive(folder: Path) -> str:
    """Give the archive of a workspace that has one; one without a month does not count."""
    found = sorted(path for path in folder.glob("[!.]*") if path.is_dir())
    if len(found) > 1:  # a killed first start leaves an empty one
        found = [path for path in found if current_state(path) is not None]
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "none"
        raise ConfigError(f"archive is null, found in {folder}: {names}; expected archive=NAME")
    return str(found[0])


if __name__ == "__main__":
    run_from_console(archive, sys.argv[1:])
