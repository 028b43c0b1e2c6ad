"""Aliases of a registered model: who is champion, since when, and why.

Every change is recorded as a tag of the registered model, and nothing is ever taken from the
record: it answers who was champion on any date.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time

from pipelines.errors import DataError
from pipelines.mlflow_quiet import mlflow
from pipelines.registry_description import describe_model
from pipelines.store_lock import one_at_a_time

__all__ = [
    "AliasChange",
    "alias_history",
    "champion_on",
    "champions",
    "give_first_alias",
    "promote",
    "rollback",
]

logger = logging.getLogger(__name__)

_CHANGE = "alias_change."  # of the registered model's tags, one a change


@dataclass(frozen=True)
class AliasChange:
    """An alias was given to a version.

    Attributes:
        time: UTC, ISO 8601.
        alias: `champion` or `challenger`.
        version: that has it from now on; None: the alias is free.
        previous: version that had it before, or None.
        reason: why.
    """

    time: str
    alias: str
    version: str | None
    previous: str | None
    reason: str


def alias_history(name: str, *, tracking_uri: str) -> list[AliasChange]:
    """Give every change of a registered model's aliases, oldest first; none without a model."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    if not client.search_registered_models(f"name = '{name}'"):
        return []
    return _history(client, name)


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
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    if _aliases(client, name).get("champion") != version:
        _give_alias(client, name, version=version, alias="champion", reason=reason, now=now)
    if _aliases(client, name).get("challenger") == version:
        _give_alias(
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
        DataError: if there is no champion, none before it, or `to` never was champion.
    """
    if not reason.strip():
        raise DataError("found no reason for the rollback; expected a few words, as reason='...'")
    history = alias_history(name, tracking_uri=tracking_uri)
    changes = _of_champion(history)
    if not changes or changes[-1].version is None:
        raise DataError(f"{name} has no champion in {tracking_uri}; expected one to roll back from")
    current = changes[-1].version
    target = to or _champion_before(changes, current)
    if target not in champions(history) or target == current:
        earlier = ", ".join(sorted(champions(history) - {current}, key=int)) or "none"
        raise DataError(f"version {target} is no earlier champion of {name}; those are: {earlier}")
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    reason = f"rollback: {reason}"
    change = _give_alias(client, name, version=target, alias="champion", reason=reason, now=now)
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
    history = _history(client, name)
    if not any(change.version == version for change in history):
        if "champion" in _aliases(client, name):
            alias, reason = "challenger", "registered while there is a champion"
        elif not may_be_champion:
            alias, reason = "challenger", "registered, and declined as the first champion"
        else:
            alias, reason = "champion", "registered as the first"
        _give_alias(client, name, version=version, alias=alias, reason=reason, now=now)
    elif history[-1].version == version:
        _apply(client, name, history[-1])


def _champion_before(changes: Sequence[AliasChange], version: str) -> str:
    first = next(i for i, change in enumerate(changes) if change.version == version)
    before = [change.version for change in changes[:first] if change.version is not None]
    if not before:
        raise DataError(f"version {version} was the first champion; expected one before it")
    return before[-1]


def _of_champion(history: Iterable[AliasChange]) -> list[AliasChange]:
    return [change for change in history if change.alias == "champion"]


def _give_alias(
    client: "mlflow.MlflowClient",
    name: str,
    *,
    version: str | None,
    alias: str,
    reason: str,
    now: datetime | None,
) -> AliasChange:
    """Record a change of alias, then make it; the record is the truth.

    Raises:
        DataError: if the moment lies before the last recorded change.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds")
    history = _history(client, name)
    if history and moment < history[-1].time:
        raise DataError(
            f"{name}: the last change of an alias was recorded for {history[-1].time}; expected a "
            f"clock that is not behind it, found {moment}"
        )
    previous = _aliases(client, name).get(alias)
    change = AliasChange(moment, alias, version, previous, reason)
    # One tag a change: nothing is rewritten, and no tag grows beyond its limit. Changes of one
    # moment are numbered, so that the order of keys is the order of changes.
    same = sum(c.time == moment for c in history)
    key = _CHANGE + moment.removesuffix("+00:00")  # MLflow forbids `+` in keys
    key += f"_{same:04d}" if same else ""
    client.set_registered_model_tag(name, key, json.dumps(asdict(change)))
    _apply(client, name, change)
    return change


def _apply(client: "mlflow.MlflowClient", name: str, change: AliasChange) -> None:
    """Bring an alias, and the description of the model, to what the last record says."""
    if change.version is None:
        client.delete_registered_model_alias(name, change.alias)
    else:
        client.set_registered_model_alias(name, change.alias, change.version)
    client.update_registered_model(name, describe_model(name, _history(client, name)))
    logger.info("%s: %s is version %s: %s", name, change.alias, change.version, change.reason)


def _aliases(client: "mlflow.MlflowClient", name: str) -> dict[str, str]:
    return {k: str(v) for k, v in client.get_registered_model(name).aliases.items()}


def _history(client: "mlflow.MlflowClient", name: str) -> list[AliasChange]:
    tags = client.get_registered_model(name).tags
    keys = sorted(key for key in tags if key.startswith(_CHANGE))
    return [AliasChange(**json.loads(tags[key])) for key in keys]
