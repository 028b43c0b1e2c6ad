"""The model registry for operators: who was champion when, rollback, pruning."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow
from rich.table import Table

from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.settings.compose import resolve
from flows.settings.config_error import ConfigError, refusing_wrong_settings
from flows.settings.model_name import model_name
from flows.settings.monthly import read_moment
from flows.settings.safe_instantiate import instantiate
from pipelines.errors import DataError
from pipelines.registry.aliases import alias_history, champion_on, notice_moves, rollback
from pipelines.registry.prune import PruneRule, prune
from pipelines.registry.versions import list_versions

__all__ = ["registry"]


@flow(name="registry", flow_run_name=run_name, validate_parameters=False)
def registry(overrides: list[str]) -> list[str]:
    """Show or change what is in production.

    Args:
        overrides: Hydra overrides, as `["experiment=mumbai", "action=champion",
            "date=2026-03-01"]`; actions: `versions`, `history`, `champion`, `rollback`, `prune`.

    Returns:
        The versions that were shown, or that the action was about.

    Raises:
        DataError: if a setting is wrong, there is no such model, or the action cannot be done.
    """
    settings = resolve(overrides, config="registry")
    action = _ACTIONS.get(settings["action"])
    if action is None:
        expected = ", ".join(_ACTIONS)
        raise ConfigError(f"action is {settings['action']!r}; expected one of: {expected}")
    with refusing_wrong_settings():
        name = model_name(settings["tracking"]["registered_model"])
    uri = settings["tracking"]["uri"]
    if not list_versions(name, tracking_uri=uri):
        raise DataError(f"found no registered model {name} in {uri}; expected one with a version")
    # The only place where the clock is read.
    now = read_moment(settings["now"]) or datetime.now(UTC)
    for move in notice_moves(name, tracking_uri=uri, now=now):
        result_console().print(
            f"{move.alias} is version {move.version or '–'}, no longer {move.previous or '–'}: "
            f"{move.reason}",
            markup=False,
        )
    return action(settings, now)


def _versions(settings: Mapping[str, Any], now: datetime) -> list[str]:
    """List all versions."""
    versions = list_versions(**_model(settings))
    table = _table("Version", "Registered (UTC)", "Month", "Score", "Decision", "Now", "Champion")
    for entry in versions:
        table.add_row(
            entry.version,
            f"{entry.registered_at:%Y-%m-%d %H:%M}",
            entry.tags.get("month", "–"),
            "–" if entry.score is None else f"{entry.score:.4f}",
            entry.tags.get("decision", "–"),
            ", ".join(entry.aliases) or "–",
            "yes" if "champion" in entry.aliases else "was" if entry.was_champion else "never",
        )
    _show(table)
    return [entry.version for entry in versions]


def _history(settings: Mapping[str, Any], now: datetime) -> list[str]:
    """List every change of an alias."""
    changes = alias_history(**_model(settings))
    table = _table("Time (UTC)", "Alias", "Version", "Before", "Reason")
    for change in changes:
        when = change.time[:16].replace("T", " ")
        table.add_row(when, change.alias, change.version or "–", change.previous or "–",
                      change.reason)  # fmt: skip
    _show(table)
    return [change.version for change in changes if change.version is not None]


def _champion(settings: Mapping[str, Any], now: datetime) -> list[str]:
    """Say who was champion on a date."""
    when = now if settings["date"] is None else _date(str(settings["date"]))
    change = champion_on(alias_history(**_model(settings)), when)
    console = result_console()
    if change is None or change.version is None:
        console.print(f"no champion on {when}")
        return []
    since = change.time[:16].replace("T", " ")
    console.print(f"champion on {when}: version {change.version}, since {since} UTC")
    console.print(f"reason: {change.reason}", markup=False)
    return [change.version]


def _rollback(settings: Mapping[str, Any], now: datetime) -> list[str]:
    """Make an earlier champion the champion again."""
    to = settings["to"]
    change = rollback(
        **_model(settings),
        reason=settings["reason"] or "",
        to=None if to is None else str(to),
        now=now,
    )
    assert change.version is not None
    result_console().print(
        f"champion is version {change.version} again, in place of {change.previous}"
    )
    return [change.version]


def _prune(settings: Mapping[str, Any], now: datetime) -> list[str]:
    """Delete the versions that the rule gives up, or tell which they are."""
    with refusing_wrong_settings():
        rule: PruneRule = instantiate(settings["prune"])
    dry_run = bool(settings["dry_run"])
    chosen = prune(**_model(settings), rule=rule, now=now, dry_run=dry_run)
    word = "would be pruned (dry_run=false does it)" if dry_run else "pruned"
    table = _table("Version", "Registered (UTC)", "Month", "Score")
    for entry in chosen:
        score = "–" if entry.score is None else f"{entry.score:.4f}"
        table.add_row(entry.version, f"{entry.registered_at:%Y-%m-%d %H:%M}",
                      entry.tags.get("month", "–"), score)  # fmt: skip
    if chosen:
        _show(table)
    result_console().print(f"{len(chosen)} versions {word}")
    return [entry.version for entry in chosen]


_ACTIONS: dict[str, Callable[[Mapping[str, Any], datetime], list[str]]] = {
    "versions": _versions,
    "history": _history,
    "champion": _champion,
    "rollback": _rollback,
    "prune": _prune,
}


def _model(settings: Mapping[str, Any]) -> dict[str, Any]:
    tracking = settings["tracking"]
    return {"name": tracking["registered_model"], "tracking_uri": tracking["uri"]}


def _date(text: str) -> date | datetime:
    """Read a date, which means its end, or a moment."""
    try:
        return date.fromisoformat(text) if len(text) == len("2026-03-01") else _moment(text)
    except ValueError as error:
        raise ConfigError(
            f"date is {text!r}; expected a date or a moment in UTC, as 2026-03-01"
        ) from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _show(table: Table) -> None:
    result_console().print(table)


if __name__ == "__main__":
    run_from_console(registry, sys.argv[1:])
