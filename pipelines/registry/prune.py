"""Remove old versions of a registered model and their weights, by rule; never a champion."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.registry.versions import RegisteredVersion, list_versions
from pipelines.tracking.mlflow_quiet import mlflow_client, tracking_at
from pipelines.tracking.store_lock import one_at_a_time

__all__ = ["PruneRule", "prune", "prunable"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PruneRule:
    """Which versions stay.

    Versions that are or ever were champion, and those with an alias, always stay.

    Attributes:
        keep_newest: this many newest versions stay.
        keep_days: versions stay for so many days.

    Raises:
        ValueError: if a number is negative.
    """

    keep_newest: int = 6
    keep_days: float = 180

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("keep_newest", "keep_days"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 0")


def prunable(
    versions: list[RegisteredVersion], rule: PruneRule, *, now: datetime
) -> list[RegisteredVersion]:
    """Choose the versions that a rule gives up.

    Args:
        versions: all of a model, oldest first.
        rule: which stay.
        now: moment from which days count, with its zone.
    """
    older = versions[: len(versions) - rule.keep_newest] if rule.keep_newest else versions
    latest = now - timedelta(days=rule.keep_days)
    return [
        version
        for version in older
        if not version.was_champion and not version.aliases and version.registered_at <= latest
    ]


@one_at_a_time
def prune(
    name: str, rule: PruneRule, *, tracking_uri: str, now: datetime, dry_run: bool = False
) -> list[RegisteredVersion]:
    """Delete the versions that a rule gives up, with their weights; runs and scores stay.

    Args:
        name: registered name.
        rule: which stay.
        tracking_uri: of MLflow.
        now: moment from which days count, with its zone.
        dry_run: only tell.

    Returns:
        The versions deleted, or that would be.
    """
    chosen = prunable(list_versions(name, tracking_uri=tracking_uri), rule, now=now)
    if dry_run:
        return chosen
    # Here: at the top it would come before the module that keeps MLflow's import quiet.
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    client = mlflow_client(tracking_uri)
    for version in chosen:
        entry = client.get_model_version(name, version.version)
        # Weights first: a version whose weights are gone is found and pruned by the next run;
        # weights without a version would be found by nothing.
        with tracking_at(tracking_uri):
            location = client.get_model_version_download_uri(name, version.version)
            get_artifact_repository(location).delete_artifacts()
        client.delete_model_version(name, version.version)
        if entry.model_id is not None:
            client.delete_logged_model(entry.model_id)
        logger.info("%s: version %s pruned", name, version.version)
    return chosen
