"""Find the model of a forecast: a registered version, or a checkpoint file."""

import re
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException

from pipelines.errors import DataError
from pipelines.registry.versions import fetch_checkpoint
from pipelines.tracking.mlflow_quiet import mlflow_client

__all__ = ["ForecastModel", "find_model"]

_REFERENCE = re.compile(r"models:/([^/@]+)(?:@([^/@]+)|/([0-9]+))")


@dataclass(frozen=True)
class ForecastModel:
    """A model and what it is called in files.

    Attributes:
        checkpoint: path of the safetensors file.
        name: registered name, or that of the file.
        version: registered version; None for a file.
    """

    checkpoint: Path
    name: str
    version: str | None

    @property
    def label(self) -> str:
        """Name for folders and titles."""
        return self.name if self.version is None else f"{self.name}-{self.version}"


def find_model(reference: str, *, tracking_uri: str, folder: Path) -> ForecastModel:
    """Find a model; a registered one's checkpoint is copied out of the registry.

    Args:
        reference: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or path of a checkpoint.
        tracking_uri: of MLflow.
        folder: where checkpoints from the registry are kept.

    Raises:
        DataError: if the reference has another form, or there is no such model or file.
    """
    if not reference.startswith("models:"):
        path = Path(reference)
        if not path.is_file():
            raise DataError(
                f"found no checkpoint {reference}; expected a file, models:/NAME@champion or "
                "models:/NAME/VERSION"
            )
        return ForecastModel(path, path.stem, None)
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise DataError(
            f"found {reference!r}; expected models:/NAME@champion, models:/NAME/VERSION or "
            "a checkpoint file"
        )
    name, alias, number = found.groups()
    client = mlflow_client(tracking_uri)
    try:
        if alias is None:
            version = str(client.get_model_version(name, number).version)
        else:
            version = str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise DataError(f"found no {reference} in {tracking_uri}: {error.message}") from error
    path = folder / f"{name}-{version}.safetensors"
    # Copied anew: a registry that was made again may give a number twice.
    fetch_checkpoint(name, version, tracking_uri=tracking_uri, out=path)
    return ForecastModel(path, name, version)
