"""The model registry: versions that load anywhere."""

import importlib.metadata
import logging
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import xarray as xr

import met2net
from met2net.checkpoint import Checkpoint, content_of, load_checkpoint
from met2net.forecast_inputs import init_hours
from met2net.models.wrapper import needs_init_time
from pipelines.errors import DataError
from pipelines.evaluation.summary import networks_of, open_scores
from pipelines.registry.aliases import give_first_alias
from pipelines.registry.model_card import (
    CARD_PICTURES,
    REPORT,
    card_pictures,
    model_card,
    picture_addresses,
    report_address,
    shorten,
    shrink_pictures,
)
from pipelines.tracking.mlflow_quiet import mlflow, mlflow_client, tracking_at
from pipelines.tracking.store_lock import one_at_a_time

__all__ = ["FIELDS", "INIT_TIME", "register"]

FIELDS, INIT_TIME = "fields", "init_time"
"""Names of the inputs of a model that needs the init times (`pipelines.registry.pyfunc_model`)."""

logger = logging.getLogger(__name__)

_REQUIRED_TAGS = ("archive_snapshot", "git_commit", "settings_fingerprint", "protocol")
_IDENTITY_TAGS = ("settings_fingerprint", "weights_sha256", "scores_fingerprint")
_REQUIREMENTS = ("torch", "numpy", "xarray", "einops", "jaxtyping", "safetensors", "mlflow")
_DESCRIPTION_LENGTH = 5000  # MLflow's column on databases other than SQLite
Example = np.ndarray | dict[str, np.ndarray]
_EXAMPLE_VALUES = 2_000_000  # an example is written as JSON, about 20 bytes a value


@one_at_a_time
def register(
    checkpoint: Path,
    *,
    name: str,
    tracking_uri: str,
    run_id: str,
    example: np.ndarray,
    example_time: np.ndarray | None = None,
    scores: Path,
    figures: list[Path],
    tags: Mapping[str, str],
    model: str | None = None,
    may_be_champion: bool = True,
    now: datetime | None = None,
) -> str:
    """Register a checkpoint under a name, once; give its version.

    A version of the same settings, weights and scores is found again, not made twice; weights
    that were trained again, or scored anew, make another. A new version becomes `champion`
    where there is none, else `challenger`.

    Args:
        checkpoint: the safetensors file.
        name: registered name.
        tracking_uri: of MLflow.
        run_id: run that made the model; gets figures and model card.
        example: inputs, physical units, B T C H W; its first sample is the input example.
        example_time: their init times, datetime64; for models that need them.
        scores: scores file with this model.
        figures: pictures for run and card.
        tags: at least `archive_snapshot`, `git_commit`, `settings_fingerprint`, `protocol`;
            `scores_fingerprint` names what the scores were made from. The hash of
            the weights is added.
        model: the model's name in the scores; by default that of the checkpoint's folder.
        may_be_champion: whether it becomes champion where there is none.
        now: moment to record with the alias; None: this one.

    Raises:
        DataError: if a tag is missing, the scores lack the model, the example's shape is
            not the checkpoint's, or its init times are missing.
    """
    missing = [key for key in _REQUIRED_TAGS if not tags.get(key)]
    if missing:
        raise DataError(f"tags lack {', '.join(missing)}; found: {', '.join(tags) or 'none'}")
    model = model or checkpoint.parent.name
    dataset = open_scores(scores)
    if model not in networks_of(dataset):
        found = ", ".join(networks_of(dataset))
        raise DataError(f"{scores} has no scores for network {model!r}; found: {found}")
    client = mlflow_client(tracking_uri)
    tags = {**tags, "weights_sha256": content_of(checkpoint)}
    version = _find_version(client, name, tags)
    if version is None:
        loaded = load_checkpoint(checkpoint)
        _check_example(example, loaded)
        pictures = card_pictures(figures)
        addresses = picture_addresses(pictures, run_id=run_id)
        card = model_card(
            name=name, model=model, checkpoint=loaded, scores=dataset, tags=tags,
            figures=addresses, report=_report(client, run_id),
        )  # fmt: skip
        for path in figures:
            client.log_artifact(run_id, str(path), "figures")
        with tempfile.TemporaryDirectory() as folder:
            for path in shrink_pictures(pictures, Path(folder)):
                client.log_artifact(run_id, str(path), CARD_PICTURES)
        client.log_text(run_id, card, "model_card.md")
        model_id = _log_model(
            checkpoint, loaded, name=name, tracking_uri=tracking_uri, run_id=run_id,
            example=_example(example, example_time, loaded), card=card,
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
    give_first_alias(client, name, str(version), may_be_champion=may_be_champion, now=now)
    return str(version)


def _find_version(client: "mlflow.MlflowClient", name: str, tags: Mapping[str, str]) -> str | None:
    """Find the version of the same settings, weights and scores."""
    wanted = {key: tags[key] for key in _IDENTITY_TAGS if key in tags}
    found = client.search_model_versions(f"name = '{name}'")
    same = [v for v in found if wanted.items() <= v.tags.items()]
    return str(min(same, key=lambda v: int(v.version)).version) if same else None


def _report(client: "mlflow.MlflowClient", run_id: str) -> str | None:
    """Give the address of the run's report, if it has one."""
    if all(artifact.path != REPORT for artifact in client.list_artifacts(run_id)):
        return None
    experiment_id = client.get_run(run_id).info.experiment_id
    return report_address(experiment_id=experiment_id, run_id=run_id)


def _check_example(example: np.ndarray, checkpoint: Checkpoint) -> None:
    channels = len(checkpoint.input_channels)
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
    example: Example,
    card: str,
) -> str:
    """Log the model folder: script, code, weights, card, signature, example; give its id."""
    size = sum(np.size(part) for part in _parts(example))
    if size > _EXAMPLE_VALUES:
        logger.info("input example left out: %d values are too many for JSON", size)
    with tempfile.TemporaryDirectory() as folder, tracking_at(tracking_uri):
        card_path = Path(folder) / "model_card.md"
        card_path.write_text(card, encoding="utf-8")
        # Made here, in the experiment of its run: MLflow would put it into the default one,
        # whose artifacts lie in a folder `mlruns` of wherever this process stands.
        client = mlflow_client(tracking_uri)
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
            input_example=example if size <= _EXAMPLE_VALUES else None,
        )
    return str(info.model_id)


def _example(example: np.ndarray, times: np.ndarray | None, checkpoint: Checkpoint) -> Example:
    """Give the first sample as the model takes it: an array, or by name with its init time."""
    first = np.ascontiguousarray(example[:1], dtype=np.float32)
    if not needs_init_time(checkpoint.network):
        return first
    if times is None:
        raise DataError("found no init times of the example; expected them: the model needs them")
    return {FIELDS: first, INIT_TIME: init_hours(times[:1])}


def _parts(example: Example) -> list[np.ndarray]:
    return list(example.values()) if isinstance(example, dict) else [example]


def _requirements() -> list[str]:
    """Pin what the model needs; without local tags such as `+cpu`, each machine's own build."""
    return [f"{n}=={importlib.metadata.version(n).split('+')[0]}" for n in _REQUIREMENTS]


def _signature(checkpoint: Checkpoint) -> "mlflow.models.ModelSignature":
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

    num_seen, num_given = len(checkpoint.input_channels), len(checkpoint.output_channels)
    grid = checkpoint.grid.shape
    kind = np.dtype(np.float32)
    trained = checkpoint.window.num_targets
    shape = (-1, checkpoint.window.num_inputs, num_seen, *grid)
    inputs: list[ColSpec | TensorSpec] = [TensorSpec(kind, shape)]
    if needs_init_time(checkpoint.network):
        inputs = [
            TensorSpec(kind, shape, name=FIELDS),
            TensorSpec(np.dtype(np.int64), (-1,), name=INIT_TIME),  # hours since 1970-01-01T00 UTC
        ]
    return mlflow.models.ModelSignature(
        inputs=Schema(inputs),
        # As many frames as `num_leads` asks for.
        outputs=Schema([TensorSpec(kind, (-1, -1, num_given, *grid))]),
        params=ParamSchema([ParamSpec("num_leads", "long", trained)]),
    )


def _score_tags(scores: xr.Dataset) -> dict[str, str]:
    """Give the headline scores as tags, pooled over lead times."""
    split = scores.attrs["split"]
    rmse = scores["pooled"].sel(metric="rmse", weighting="area").to_series()
    tags = {f"{split}.normalized_rmse": f"{scores['normalized_rmse'].item():.6g}"}
    return tags | {f"{split}.rmse.area.{label}": f"{value:.6g}" for label, value in rmse.items()}
