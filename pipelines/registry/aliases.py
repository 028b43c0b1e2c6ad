"""Aliases of a registered model: who is champion, since when, and why.

The record of all changes (`pipelines.registry.alias_record`) answers who was champion on any date;
who is champion now is what the registry says, whoever gave it the alias.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time

from pipelines.errors import DataError
from pipelines.registry.alias_change import AliasChange
from pipelines.registry.alias_record import (
    give_alias,
    read_aliases,
    read_history,
    record_moves,
)
from pipelines.tracking.mlflow_quiet import mlflow, mlflow_client
from pipelines.tracking.store_lock import one_at_a_time

__all__ = [
    "alias_history",
    "champion_on",
    "champions",
    "give_first_alias",
    "notice_moves",
    "promote",
    "rollback",
]


def alias_history(
    name: str, *, tracking_uri: str, now: datetime | None = None
) -> list[AliasChange]:
    """Give every change of a registered model's aliases, oldest first; none without a model.

    What was moved in MLflow's own page and is not recorded yet comes last.

    Args:
        name: registered name.
        tracking_uri: of MLflow.
        now: moment at which such a move counts as noticed; None: this one.
    """
    client = mlflow_client(tracking_uri)
    if not client.search_registered_models(f"name = '{name}'"):
        return []
    return read_history(client, name, now=now)


@one_at_a_time
def notice_moves(name: str, *, tracking_uri: str, now: datetime | None = None) -> list[AliasChange]:
    """Record aliases that were moved in MLflow's own page, and bring the model's page up to it.

    Args:
        name: registered name.
        tracking_uri: of MLflow.
        now: moment to record; None: this one.

    Returns:
        The moves; none without a model.
    """
    client = mlflow_client(tracking_uri)
    if not client.search_registered_models(f"name = '{name}'"):
        return []
    return record_moves(client, name, now=now)


def champion_on(history: Sequence[AliasChange], when: date | datetime) -> AliasChange | None:
    """Give the change that made the champion of a date, or None where there was none yet.

    Args:
        history: from `alias_history`.
        when: a moment (UTC where it has no zone); a date means its end.
    """
    moment = when if isinstance(when, datetime) else datetime.combine(when, time.max)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    before = [c for c in _of_champion(history) if datetime.fromisoformat(c.time) <= moment]
    return before[-1] if before and before[-1].version is not None else None


def champions(history: Sequence[AliasChange]) -> set[str]:
    """Give all versions that have ever been champion."""
    return {change.version for change in _of_champion(history) if change.version is not None}


@one_at_a_time
def promote(
    name: str, version: str, *, tracking_uri: str, reason: str, now: datetime | None = None
) -> None:
    """Make a version the champion and record it; it stops being the challenger.

    Args:
        name: registered name.
        version: the version.
        tracking_uri: of MLflow.
        reason: why; is recorded.
        now: moment to record; None: this one.

    Raises:
        DataError: if `now` lies before the last recorded change.
    """
    client = mlflow_client(tracking_uri)
    record_moves(client, name, now=now)
    if read_aliases(client, name).get("champion") != version:
        give_alias(client, name, version=version, alias="champion", reason=reason, now=now)
    if read_aliases(client, name).get("challenger") == version:
        give_alias(
            client, name, version=None, alias="challenger", reason="promoted to champion", now=now
        )


@one_at_a_time
def rollback(
    name: str,
    *,
    tracking_uri: str,
    reason: str,
    to: str | None = None,
    now: datetime | None = None,
) -> AliasChange:
    """Make an earlier champion the champion again; record why.

    Args:
        name: registered name.
        tracking_uri: of MLflow.
        reason: why; is recorded, and stands as tag `withdrawn` on the version that leaves.
        to: an earlier champion; None: the one before the present champion's first time, so
            that a second rollback goes one further back.
        now: moment to record; None: this one.

    Returns:
        The change.

    Raises:
        DataError: if there is no champion, none before it that is still there, or `to` never was
            champion.
    """
    if not reason.strip():
        raise DataError("found no reason for the rollback; expected a few words, as reason='...'")
    client = mlflow_client(tracking_uri)
    history = alias_history(name, tracking_uri=tracking_uri, now=now)
    there = {str(found.version) for found in client.search_model_versions(f"name = '{name}'")}
    earlier = champions(history) & there
    if not earlier:
        raise DataError(f"{name} has no champion in {tracking_uri}; expected one to roll back from")
    changes = _of_champion(history)
    current = changes[-1].version
    target = to or _champion_before(changes, current, among=earlier)
    if target not in earlier or target == current:
        shown = ", ".join(sorted(earlier - {str(current)}, key=int)) or "none"
        raise DataError(f"version {target} is no earlier champion of {name}; those are: {shown}")
    record_moves(client, name, now=now)
    reason = f"rollback: {reason}"
    change = give_alias(client, name, version=target, alias="champion", reason=reason, now=now)
    if current is not None:
        client.set_model_version_tag(name, current, "withdrawn", f"{change.time}: {reason}")
    return change


def give_first_alias(
    client: "mlflow.MlflowClient",
    name: str,
    version: str,
    *,
    may_be_champion: bool = True,
    now: datetime | None = None,
) -> None:
    """Give a version the alias that it never had; finish a change that a crash interrupted.

    Args:
        client: of MLflow.
        name: registered name.
        version: the version.
        may_be_champion: whether it becomes champion where there is none.
        now: moment to record; None: this one.
    """
    record_moves(client, name, now=now)
    history = read_history(client, name)
    if not any(change.version == version for change in history):
        if "champion" in read_aliases(client, name):
            alias, reason = "challenger", "registered while there is a champion"
        elif not may_be_champion:
            alias, reason = "challenger", "registered, and declined as the first champion"
        else:
            alias, reason = "champion", "registered as the first"
        give_alias(client, name, version=version, alias=alias, reason=reason, now=now)


def _champion_before(
    changes: Sequence[AliasChange], version: str | None, *, among: set[str]
) -> str:
    """Give the champion before a version's first time; where the alias is free, the last one."""
    places = [place for place, change in enumerate(changes) if change.version == version]
    first = places[-1] if version is None else places[0]
    before = [change.version for change in changes[:first] if change.version in among]
    if not before:
        others = ", ".join(sorted(among - {str(version)}, key=int)) or "none"
        raise DataError(
            f"version {version} was the first champion; expected one before it (other champions, "
            f"chosen by to=<version>: {others})"
        )
    return str(before[-1])


def _of_champion(history: Iterable[AliasChange]) -> list[AliasChange]:
    return [change for change in history if change.alias == "champion"]
