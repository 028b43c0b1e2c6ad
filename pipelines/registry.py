"""The model registry: versions that load anywhere, and who is champion since when."""

import importlib.metadata
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

import met2net
from met2net.checkpoint import Checkpoint, load_checkpoint
from pipelines.errors import DataError
from pipelines.mlflow_quiet import mlflow, quiet_store
from pipelines.model_card import model_card, picture_addresses, shorten
from pipelines.score_summary import networks_of, open_scores

__all__ = ["AliasChange", "alias_history", "promote", "register"]

logger = logging.getLogger(__name__)

_REQUIRED_TAGS = ("archive_snapshot", "git_commit", "settings_fingerprint", "protocol")
_REQUIREMENTS = ("torch", "numpy", "xarray", "einops", "jaxtyping", "safetensors", "mlflow")
_CHANGE = "alias_change."  # of the registered model's tags, one a change
_DESCRIPTION_LENGTH = 5000  # MLflow's column on databases other than SQLite
_EXAMPLE_VALUES = 2_000_000  # an example is written as JSON, about 20 bytes a value


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


@quiet_store()
def register(
    checkpoint: Path,
    *,
    name: str,
    tracking_uri: str,
    run_id: str,
    example: np.ndarray,
    scores: Path,
    figures: list[Path],
    tags: Mapping[str, str],
    model: str | None = None,
) -> str:
    """Register a checkpoint under a name, once; give its version.

    A version of the same settings fingerprint is found again, not made twice. A new version
    becomes `champion` where there is none, else `challenger`.

    Args:
        checkpoint: the safetensors file.
        name: registered name.
        tracking_uri: of MLflow.
        run_id: run that made the model; gets figures and model card.
        example: inputs, physical units, B T C H W; its first sample is the input example.
        scores: scores file with this model.
        figures: pictures for run and card.
        tags: at least `archive_snapshot`, `git_commit`, `settings_fingerprint`, `protocol`.
        model: the model's name in the scores; by default that of the checkpoint's folder.

    Raises:
        DataError: if a tag is missing, the scores lack the model, or the example's shape is
            not the checkpoint's.
    """
    missing = [key for key in _REQUIRED_TAGS if not tags.get(key)]
    if missing:
        raise DataError(f"tags lack {', '.join(missing)}; found: {', '.join(tags) or 'none'}")
    model = model or checkpoint.parent.name
    dataset = open_scores(scores)
    if model not in networks_of(dataset):
        found = ", ".join(networks_of(dataset))
        raise DataError(f"{scores} has no scores for network {model!r}; found: {found}")
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    version = _find_version(client, name, tags["settings_fingerprint"])
    if version is None:
        loaded = load_checkpoint(checkpoint)
        _check_example(example, loaded)
        addresses = picture_addresses(figures, run_id=run_id)
        card = model_card(
            name=name, model=model, checkpoint=loaded, scores=dataset, tags=tags, figures=addresses
        )
        for path in figures:
            client.log_artifact(run_id, str(path), "figures")
        client.log_text(run_id, card, "model_card.md")
        model_id = _log_model(
            checkpoint, loaded, name=name, tracking_uri=tracking_uri, run_id=run_id,
            example=example, card=card,
        )  # fmt: skip
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        version = client.create_model_version(
            name,
            source=client.get_logged_model(model_id).artifact_location,
            run_id=run_id,
            model_id=model_id,
            tags={**tags, "model": model, **_score_tags(dataset.sel(model=model))},
            description=shorten(card, length=_DESCRIPTION_LENGTH),
        ).version
        logger.info("registered %s version %s", name, version)
    _give_first_alias(client, name, str(version))
    return str(version)


@quiet_store()
def promote(name: str, version: str, *, tracking_uri: str, reason: str) -> None:
    """Make a version the champion and record it; it stops being the challenger."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    if _aliases(client, name).get("champion") != version:
        _give_alias(client, name, version=version, alias="champion", reason=reason)
    if _aliases(client, name).get("challenger") == version:
        _give_alias(client, name, version=None, alias="challenger", reason="promoted to champion")


@quiet_store()
def alias_history(name: str, *, tracking_uri: str) -> list[AliasChange]:
    """Give every change of a registered model's aliases, oldest first."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    return _history(client, name)


def _find_version(client: "mlflow.MlflowClient", name: str, fingerprint: str) -> str | None:
    found = client.search_model_versions(f"name = '{name}'")
    same = [v for v in found if v.tags.get("settings_fingerprint") == fingerprint]
    return str(min(same, key=lambda v: int(v.version)).version) if same else None


def _check_example(example: np.ndarray, checkpoint: Checkpoint) -> None:
    channels = len(checkpoint.normalizer.channels)
    expected = (checkpoint.window.num_inputs, channels, *checkpoint.grid.shape)
    if example.shape[1:] != expected or len(example) == 0:
        raise DataError(
            f"example has shape {example.shape}; expected at least one sample of {expected}"
        )


def _log_model(
    checkpoint: Path,
    loaded: Checkpoint,
    *,
    name: str,
    tracking_uri: str,
    run_id: str,
    example: np.ndarray,
    card: str,
) -> str:
    """Log the model folder: script, code, weights, card, signature, example; give its id."""
    first = np.ascontiguousarray(example[:1], dtype=np.float32)
    if first.size > _EXAMPLE_VALUES:
        logger.info("input example left out: %d values are too many for JSON", first.size)
    with tempfile.TemporaryDirectory() as folder, _tracking_at(tracking_uri):
        card_path = Path(folder) / "model_card.md"
        card_path.write_text(card, encoding="utf-8")
        # Made here, in the experiment of its run: MLflow would put it into the default one,
        # whose artifacts lie in a folder `mlruns` of wherever this process stands.
        client = mlflow.MlflowClient(tracking_uri=tracking_uri)
        model = client.create_logged_model(
            client.get_run(run_id).info.experiment_id, name=name, source_run_id=run_id
        )
        info = mlflow.models.Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            model_id=model.model_id,
            name=name,
            run_id=run_id,
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"checkpoint": str(checkpoint), "model_card": str(card_path)},
            code_paths=[str(Path(met2net.__file__).parent)],
            pip_requirements=_requirements(),
            signature=_signature(loaded),
            input_example=first if first.size <= _EXAMPLE_VALUES else None,
        )
    return str(info.model_id)


@contextmanager
def _tracking_at(uri: str) -> Iterator[None]:
    """Point MLflow's module-level functions, which logging a model needs, at a store."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _requirements() -> list[str]:
    """Pin what the model needs; without local tags such as `+cpu`, each machine's own build."""
    return [f"{n}=={importlib.metadata.version(n).split('+')[0]}" for n in _REQUIREMENTS]


def _signature(checkpoint: Checkpoint) -> "mlflow.models.ModelSignature":
    from mlflow.types import Schema, TensorSpec

    frame = (len(checkpoint.normalizer.channels), *checkpoint.grid.shape)
    kind = np.dtype(np.float32)
    return mlflow.models.ModelSignature(
        inputs=Schema([TensorSpec(kind, (-1, checkpoint.window.num_inputs, *frame))]),
        outputs=Schema([TensorSpec(kind, (-1, checkpoint.window.num_targets, *frame))]),
    )


def _score_tags(scores: xr.Dataset) -> dict[str, str]:
    """Give the headline scores as tags, pooled over lead times."""
    split = scores.attrs["split"]
    rmse = scores["pooled"].sel(metric="rmse", weighting="area").to_series()
    tags = {f"{split}.normalized_rmse": f"{scores['normalized_rmse'].item():.6g}"}
    return tags | {f"{split}.rmse.area.{label}": f"{value:.6g}" for label, value in rmse.items()}


def _give_first_alias(client: "mlflow.MlflowClient", name: str, version: str) -> None:
    """Give a version the alias that it never had; finish a change that a crash interrupted."""
    history = _history(client, name)
    if not any(change.version == version for change in history):
        if "champion" in _aliases(client, name):
            alias, reason = "challenger", "registered while there is a champion"
        else:
            alias, reason = "champion", "registered as the first"
        _give_alias(client, name, version=version, alias=alias, reason=reason)
    elif history[-1].version == version:
        _apply(client, name, history[-1])


def _give_alias(
    client: "mlflow.MlflowClient", name: str, *, version: str | None, alias: str, reason: str
) -> None:
    """Record a change of alias, then make it; the record is the truth."""
    time = datetime.now(UTC).isoformat(timespec="microseconds")
    previous = _aliases(client, name).get(alias)
    change = AliasChange(time, alias, version, previous, reason)
    # One tag a change: nothing is rewritten, and no tag grows beyond its limit.
    key = _CHANGE + time.removesuffix("+00:00")  # MLflow forbids `+` in keys
    client.set_registered_model_tag(name, key, json.dumps(asdict(change)))
    _apply(client, name, change)


def _apply(client: "mlflow.MlflowClient", name: str, change: AliasChange) -> None:
    """Bring an alias to what its last record says."""
    if change.version is None:
        client.delete_registered_model_alias(name, change.alias)
    else:
        client.set_registered_model_alias(name, change.alias, change.version)
    logger.info("%s: %s is version %s: %s", name, change.alias, change.version, change.reason)


def _aliases(client: "mlflow.MlflowClient", name: str) -> dict[str, str]:
    return {k: str(v) for k, v in client.get_registered_model(name).aliases.items()}


def _history(client: "mlflow.MlflowClient", name: str) -> list[AliasChange]:
    tags = client.get_registered_model(name).tags
    changes = [AliasChange(**json.loads(v)) for k, v in tags.items() if k.startswith(_CHANGE)]
    return sorted(changes, key=lambda change: change.time)
