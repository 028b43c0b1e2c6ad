"""The versions of a registered model: what each is, and its checkpoint."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.atomic import replacing
from pipelines.errors import DataError
from pipelines.registry.aliases import alias_history, champions
from pipelines.tracking.mlflow_quiet import mlflow, mlflow_client, tracking_at

__all__ = [
    "RegisteredVersion",
    "fetch_checkpoint",
    "list_versions",
    "run_of_version",
    "version_of_month",
]


@dataclass(frozen=True)
class RegisteredVersion:
    """One version.

    Attributes:
        version: its number.
        registered_at: when, UTC: the tag `registered_at`, else as MLflow says.
        aliases: those it has now.
        was_champion: whether it is champion or ever was.
        tags: all of them.
    """

    version: str
    registered_at: datetime
    aliases: tuple[str, ...]
    was_champion: bool
    tags: Mapping[str, str]

    @property
    def score(self) -> float | None:
        """Normalized RMSE on the split that it was registered with."""
        values = [v for k, v in self.tags.items() if k.endswith(".normalized_rmse")]
        return float(values[0]) if values else None


def list_versions(name: str, *, tracking_uri: str) -> list[RegisteredVersion]:
    """List the versions of a registered model, oldest first; none without a model."""
    client = mlflow_client(tracking_uri)
    found = client.search_registered_models(f"name = '{name}'")
    if not found:
        return []
    once = champions(alias_history(name, tracking_uri=tracking_uri))
    aliases = {alias: str(version) for alias, version in found[0].aliases.items()}
    versions = [
        RegisteredVersion(
            version=str(entry.version),
            registered_at=_moment(entry.tags.get("registered_at"), entry.creation_timestamp),
            aliases=tuple(sorted(a for a, v in aliases.items() if v == str(entry.version))),
            was_champion=str(entry.version) in once,
            tags=dict(entry.tags),
        )
        for entry in client.search_model_versions(f"name = '{name}'")
    ]
    return sorted(versions, key=lambda version: int(version.version))


def version_of_month(
    name: str, month: str, *, tracking_uri: str, science: str | None = None
) -> RegisteredVersion | None:
    """Give the version that the monthly retraining made for a month, or None.

    Args:
        name: registered name.
        month: as `2016-04`.
        tracking_uri: of MLflow.
        science: name of the settings that it must have been made with; None: of any. Versions
            that were registered before this was recorded count for any.
    """
    versions = list_versions(name, tracking_uri=tracking_uri)
    return next(
        (
            v for v in versions
            if v.tags.get("month") == month
            and (science is None or v.tags.get("science_fingerprint", science) == science)
        ),
        None,
    )  # fmt: skip


def run_of_version(name: str, version: str, *, tracking_uri: str) -> str:
    """Give the id of the MLflow run that a version was registered from."""
    return str(mlflow_client(tracking_uri).get_model_version(name, version).run_id)


def fetch_checkpoint(name: str, version: str, *, tracking_uri: str, out: Path) -> Path:
    """Copy the checkpoint of a version to a file; nothing of the model is run or unpickled.

    Raises:
        DataError: if the version holds no such checkpoint, as a model of another kind.
    """
    client = mlflow_client(tracking_uri)
    with tempfile.TemporaryDirectory() as folder, tracking_at(tracking_uri):
        uri = client.get_model_version_download_uri(name, version)
        # MLflow 3.17 reads no `file://` folder as a model, but a file out of one.
        card = mlflow.artifacts.download_artifacts(f"{uri}/MLmodel", dst_path=folder)
        flavors = mlflow.models.Model.load(card).flavors
        inside = _checkpoint_path(flavors, name=f"{name} version {version}")
        found = mlflow.artifacts.download_artifacts(f"{uri}/{inside}", dst_path=folder)
        with replacing(out) as temporary:
            shutil.copyfile(found, temporary)
    return out


def _checkpoint_path(flavors: Mapping[str, Any], *, name: str) -> str:
    """Give the place of the checkpoint inside a model's folder."""
    artifacts = flavors.get("python_function", {}).get("artifacts") or {}
    path = str(artifacts.get("checkpoint", {}).get("path", ""))
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise DataError(
            f"{name} names the checkpoint {path!r} among its artifacts {', '.join(artifacts)}; "
            "expected a model that this project registered"
        )
    return path


def _moment(tag: str | None, timestamp: int) -> datetime:
    if tag is not None:
        return datetime.fromisoformat(tag)
    return datetime.fromtimestamp(timestamp / 1000, UTC)
