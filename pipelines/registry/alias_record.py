"""The record of a registered model's aliases, beside what the registry itself says now.

Every change is a tag of the registered model, and nothing is ever taken from the record. The
registry's own page moves aliases without a record: such a move is noticed by the next command
and recorded then, so that record and registry agree again.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from pipelines.errors import DataError
from pipelines.registry.alias_change import AliasChange
from pipelines.registry.description import describe_model
from pipelines.tracking.mlflow_quiet import mlflow

__all__ = ["give_alias", "read_aliases", "read_history", "record_moves"]

logger = logging.getLogger(__name__)

_CHANGE = "alias_change."  # of the registered model's tags, one a change
_PENDING = "alias_change_pending"  # the last change is recorded, but may not have been made
_ALIASES = ("champion", "challenger")
_MOVED = "moved by somebody else, as in MLflow's page; noticed at this time"


def read_history(
    client: "mlflow.MlflowClient", name: str, *, now: datetime | None = None
) -> list[AliasChange]:
    """Give the recorded changes, oldest first, and after them moves that no record knows yet.

    Args:
        client: of MLflow.
        name: registered name.
        now: moment at which such a move counts as noticed; None: this one.
    """
    recorded = _recorded(client, name)
    if _PENDING in client.get_registered_model(name).tags:
        return recorded  # a change that was interrupted, no move
    return recorded + _moves(recorded, read_aliases(client, name), now)


def read_aliases(client: "mlflow.MlflowClient", name: str) -> dict[str, str]:
    """Give alias -> version as the registry says now."""
    return {k: str(v) for k, v in client.get_registered_model(name).aliases.items()}


def record_moves(
    client: "mlflow.MlflowClient", name: str, *, now: datetime | None = None
) -> list[AliasChange]:
    """Finish a change that a crash interrupted; record moves that nobody recorded; give those."""
    recorded = _recorded(client, name)
    if _PENDING in client.get_registered_model(name).tags and recorded:
        _apply(client, name, recorded[-1])
    moves = _moves(recorded, read_aliases(client, name), now)
    for number, move in enumerate(moves):
        _write(client, name, move, number=len(recorded) + number)
        logger.info("%s: %s is version %s: %s", name, move.alias, move.version, move.reason)
    if moves:
        client.update_registered_model(name, describe_model(name, recorded + moves))
    return moves


def give_alias(
    client: "mlflow.MlflowClient",
    name: str,
    *,
    version: str | None,
    alias: str,
    reason: str,
    now: datetime | None,
) -> AliasChange:
    """Record a change of alias, then make it.

    Raises:
        DataError: if the moment lies before the last recorded change, and that one not after
            this machine's clock: then it was recorded under a wrong clock, and the new change
            says so.
    """
    record_moves(client, name, now=now)
    moment, history = _text(now), _recorded(client, name)
    if history and moment < history[-1].time:
        if history[-1].time <= _text(None):
            raise DataError(
                f"{name}: the last change of an alias was recorded for {history[-1].time}; "
                f"expected a clock that is not behind it, found {moment}"
            )
        reason += f" (the change before was recorded under a clock at {history[-1].time[:16]})"
    previous = read_aliases(client, name).get(alias)
    change = AliasChange(moment, alias, version, previous, reason)
    client.set_registered_model_tag(name, _PENDING, moment)
    _write(client, name, change, number=len(history))
    _apply(client, name, change)
    return change


def _moves(
    recorded: Sequence[AliasChange], aliases: dict[str, str], now: datetime | None
) -> list[AliasChange]:
    """Give the differences between record and registry as changes."""
    last = {change.alias: change.version for change in recorded}
    moment = _text(now)
    if recorded and recorded[-1].time <= _text(None):
        moment = max(moment, recorded[-1].time)
    return [
        AliasChange(moment, alias, aliases.get(alias), last.get(alias), _MOVED)
        for alias in _ALIASES
        if aliases.get(alias) != last.get(alias)
    ]


def _write(client: "mlflow.MlflowClient", name: str, change: AliasChange, *, number: int) -> None:
    """Write one tag a change: nothing is rewritten, and no tag grows beyond its limit."""
    key = _CHANGE + change.time.removesuffix("+00:00")  # MLflow forbids `+` in keys
    # Numbered, so that the order of changes is theirs, whatever their clocks said.
    content = json.dumps({**asdict(change), "number": number})
    client.set_registered_model_tag(name, f"{key}_{number:06d}", content)


def _apply(client: "mlflow.MlflowClient", name: str, change: AliasChange) -> None:
    """Bring an alias, and the description of the model, to what the last record says."""
    if change.version is None:
        client.delete_registered_model_alias(name, change.alias)
    else:
        client.set_registered_model_alias(name, change.alias, change.version)
    client.update_registered_model(name, describe_model(name, _recorded(client, name)))
    if _PENDING in client.get_registered_model(name).tags:
        client.delete_registered_model_tag(name, _PENDING)
    logger.info("%s: %s is version %s: %s", name, change.alias, change.version, change.reason)


def _recorded(client: "mlflow.MlflowClient", name: str) -> list[AliasChange]:
    tags = client.get_registered_model(name).tags
    keys = sorted(key for key in tags if key.startswith(_CHANGE))
    contents = [json.loads(tags[key]) for key in keys]
    # Old records have no number: they come first, in the order of their times.
    contents.sort(key=lambda content: content.pop("number", -1))
    return [AliasChange(**content) for content in contents]


def _text(moment: datetime | None) -> str:
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds")
